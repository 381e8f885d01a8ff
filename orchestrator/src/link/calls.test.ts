import {
  BLOB_PART_BYTES,
  chunksOf,
  encodeChunk,
  Failure,
  RELAY_BODY_BYTES_MAX,
  sha256Of,
} from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  clock,
  dial,
  edge,
  events,
  open,
  relayed,
  report,
  request,
  send,
  session,
  settle,
} from './session.fixture.ts';

describe('PROTOCOL: calls from the edge', () => {
  beforeEach(() => open());

  it('F1, C6: an answer to the only open call leaves at once, with a small body in its head', async () => {
    send(request(2, { body: { kind: 'text', data: 'grüße' } }));
    expect(Buffer.from(relayed[0]?.body ?? []).toString()).toBe('grüße');
    relayed[0]?.answer({ status: 201, headers: [['a', '1']], body: Buffer.from('ok') });
    await Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => {});
    expect(edge.take('response')).toEqual([
      { type: 'response', id: 2, status: 201, headers: [['a', '1']], body: { kind: 'text', data: 'ok' } },
    ]);
  });

  it('F1: answers of one turn leave in one message while calls are open', async () => {
    send(request(2), request(4), request(6));
    const before = edge.texts.length;
    relayed[0]?.answer({});
    relayed[1]?.answer({});
    await settle();
    expect(edge.take('response')).toHaveLength(2);
    expect(edge.texts.length - before).toBe(1);
  });

  it('C6: bytes that are not UTF-8 travel as base64, and large ones as binary messages', async () => {
    send(
      request(2, { body: { kind: 'base64', data: Buffer.from([0xff, 0]).toString('base64') } }),
      request(4),
    );
    expect([...(relayed[0]?.body ?? [])]).toEqual([0xff, 0]);
    relayed[0]?.answer({ body: Buffer.from([0xfe]) });
    relayed[1]?.answer({ body: Buffer.alloc(100_000) });
    await settle();
    expect(edge.take('response').map(({ body }) => body)).toEqual([
      { kind: 'base64', data: '/g==' },
      { kind: 'stream' },
    ]);
    expect(edge.bodies.get(4)).toEqual([65_536, 34_464]);
  });

  it('C6: a streamed request body is collected, whether a chunk or an end frame ends it', () => {
    send(request(2, { body: { kind: 'stream' } }), request(4, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(70_000, 1))) session.receiveBytes(encodeChunk(chunk));
    session.receiveBytes(encodeChunk({ id: 4, last: false, bytes: new Uint8Array(5) }));
    send({ type: 'end', id: 4 });
    expect(relayed.map(({ head, body }) => [head.id, body?.length])).toEqual([
      [2, 70_000],
      [4, 5],
    ]);
  });

  it('C6: a request body beyond the limit is refused as too_large and not started', () => {
    send(request(2, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(RELAY_BODY_BYTES_MAX + 1)))
      session.receiveBytes(encodeChunk(chunk));
    expect(relayed).toEqual([]);
    expect(edge.take('error')[0]).toMatchObject({
      id: 2,
      error: { code: 'too_large', execution: 'not_started' },
    });
  });

  it('C6: an answer beyond the limit is response_too_large', async () => {
    send(request(2));
    relayed[0]?.answer({ body: Buffer.alloc(RELAY_BODY_BYTES_MAX + 1) });
    await settle();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'response_too_large' } });
  });

  it('an answer that cannot be carried is upstream_failed, and the socket stays', async () => {
    send(request(2));
    relayed[0]?.answer({ status: 999 });
    await settle();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'upstream_failed' } });
    expect(edge.closed).toBeUndefined();
  });

  it('C2: a Failure is the answer; anything else is internal and says nothing of itself', async () => {
    send(request(2), request(4));
    relayed[0]?.fail(new Failure('not_found', 'no route'));
    relayed[1]?.fail(new TypeError('secret detail'));
    await settle();
    expect(edge.take('error').map(({ error }) => [error.code, error.message.includes('secret')])).toEqual([
      ['not_found', false],
      ['internal', false],
    ]);
  });

  it('C4: the deadline ends a call, aborts its work, and a late answer is dropped', async () => {
    send(request(2, { deadlineMs: 50 }));
    clock.pass(50);
    expect(edge.take('error')[0]).toMatchObject({
      id: 2,
      error: { code: 'deadline_exceeded', execution: 'may_have_executed' },
    });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
  });

  it('C2: cancel aborts the work, and nothing is answered', async () => {
    send(request(2));
    send({ type: 'cancel', id: 2, reason: 'the customer left' });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
    expect(session.callsOpen).toBe(0);
  });

  it('get_status is answered with the report', async () => {
    send({ type: 'get_status', id: 2, siteId: 'site-1', deadlineMs: 1_000 });
    await settle();
    expect(edge.take('get_status_result')).toEqual([{ type: 'get_status_result', id: 2, data: report }]);
  });

  it('C1: the edge opens calls with even ids, each once', () => {
    send(request(3));
    expect(edge.closed?.code).toBe(4400);
    dial();
    open();
    send(request(2), request(2));
    expect(edge.closed?.code).toBe(4400);
  });

  it('C5: more calls than the limit are overloaded and not started', () => {
    for (let id = 2; id <= 2 * 4_097; id += 2) send(request(id));
    expect(relayed).toHaveLength(4_096);
    expect(edge.take('error')[0] ?? clock.flush()).toBeUndefined();
    expect(edge.take('error')).toEqual([
      expect.objectContaining({
        error: expect.objectContaining({ code: 'overloaded', execution: 'not_started' }),
      }),
    ]);
  });

  it('C2: the end of the socket aborts what is open', () => {
    send(request(2));
    session.closed(1006, '');
    expect(relayed[0]?.signal.aborted).toBe(true);
    expect(events.ended).toHaveBeenCalledTimes(1);
  });
});

describe('PROTOCOL: blobs', () => {
  const never = new AbortController().signal;
  const blob = Buffer.alloc(BLOB_PART_BYTES + 10, 3);
  const ref = { sha256: sha256Of(blob), bytes: blob.length };

  beforeEach(() => open());

  const answer = (id: number, bytes: Uint8Array): void => {
    for (const chunk of chunksOf(id, bytes)) session.receiveBytes(encodeChunk(chunk));
  };

  it('C7: are pulled part by part with odd ids, and verified', async () => {
    const pulled = session.blob(ref, never);
    await settle();
    expect(edge.take('blob')).toEqual([{ type: 'blob', id: 1, sha256: ref.sha256, part: 0 }]);
    answer(1, blob.subarray(0, BLOB_PART_BYTES));
    await settle();
    expect(edge.take('blob')[1]).toEqual({ type: 'blob', id: 3, sha256: ref.sha256, part: 1 });
    answer(3, blob.subarray(BLOB_PART_BYTES));
    expect(blob.equals(await pulled)).toBe(true);
  });

  it('with another digest or length are blob_missing', async () => {
    const wrongDigest = session.blob({ sha256: 'f'.repeat(64), bytes: 2 }, never);
    const short = session.blob({ sha256: 'f'.repeat(64), bytes: 9 }, never);
    answer(1, Buffer.from('no'));
    answer(3, Buffer.from('no'));
    await expect(wrongDigest).rejects.toMatchObject({ code: 'blob_missing' });
    await expect(short).rejects.toMatchObject({ code: 'blob_missing' });
  });

  it('hand on the edge’s error', async () => {
    const pulled = session.blob(ref, never);
    send({ type: 'error', id: 1, error: new Failure('blob_missing', 'it was pruned').toWire() });
    await expect(pulled).rejects.toMatchObject({ code: 'blob_missing', message: 'it was pruned' });
  });

  it('have a deadline, and end with the socket', async () => {
    const late = session.blob(ref, never);
    clock.pass(1_000);
    const lost = session.blob(ref, never);
    session.receiveText('pong');
    for (let waited = 0; waited < 29; waited++) {
      clock.pass(1_000);
      session.receiveText('pong');
    }
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    session.closed(1006, '');
    await expect(lost).rejects.toMatchObject({ code: 'orchestrator_lost' });
  });
});

describe('PROTOCOL: secrets', () => {
  const never = new AbortController().signal;
  const ref = { siteId: 'site-1', name: 'key' };

  beforeEach(() => open());

  it('C1, C8: share the odd ids with blobs, and each gets its own answer', async () => {
    const pulled = session.blob({ sha256: sha256Of(Buffer.from('b')), bytes: 1 }, never);
    const [first, second] = [session.secret(ref, never), session.secret({ ...ref, name: 'other' }, never)];
    await settle();
    expect(edge.take('blob').map(({ id }) => id)).toEqual([1]);
    expect(edge.take('get_secret').map(({ id, name }) => [id, name])).toEqual([
      [3, 'key'],
      [5, 'other'],
    ]);
    send(
      { type: 'secret', id: 5, value: 'two', version: 2 },
      { type: 'secret', id: 3, value: 'one', version: 1 },
    );
    session.receiveBytes(encodeChunk({ id: 1, last: true, bytes: Buffer.from('b') }));
    expect(await Promise.all([first, second])).toEqual([
      { value: 'one', version: 1 },
      { value: 'two', version: 2 },
    ]);
    expect(Buffer.from(await pulled).toString()).toBe('b');
  });

  it('C3: an answer that nobody waits for is ignored', () => {
    send({ type: 'secret', id: 9, value: 'late', version: 1 });
    expect(edge.closed).toBeUndefined();
  });

  it('have a deadline, end with whoever asked, and with the socket', async () => {
    const late = session.secret(ref, never);
    for (let waited = 0; waited < 30; waited++) {
      clock.pass(1_000);
      session.receiveText('pong');
    }
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const leave = new AbortController();
    const left = session.secret(ref, leave.signal);
    leave.abort();
    await expect(left).rejects.toMatchObject({ code: 'orchestrator_lost' });
    const lost = session.secret(ref, never);
    session.closed(1006, '');
    await expect(lost).rejects.toMatchObject({ code: 'orchestrator_lost' });
    await expect(session.secret(ref, never)).rejects.toMatchObject({ code: 'orchestrator_lost' });
  });
});
