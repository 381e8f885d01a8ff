import {
  BLOB_PART_BYTES,
  chunksOf,
  encodeChunk,
  Failure,
  STREAM_IDLE_MS,
  STREAM_OPENING_BYTES,
  STREAM_WINDOW_BYTES,
  sha256Of,
} from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BodySink, CallBody } from '../calls/index.ts';
import {
  clock,
  dial,
  edge,
  events,
  open,
  ownSession,
  relayed,
  report,
  request,
  send,
  session,
  settle,
} from './session.fixture.ts';

ownSession();

/** All of a request's body, as the upstream would read it. */
async function read(body: CallBody | undefined): Promise<Buffer> {
  if (body === null || body === undefined) return Buffer.alloc(0);
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** An answer's body that comes as the test says. */
function upstreamBody() {
  let sink: BodySink | undefined;
  let resumed = 0;
  const body = {
    length: undefined,
    start: (given: BodySink) => {
      sink = given;
    },
    resume: () => {
      resumed++;
    },
  };
  return {
    body,
    resumed: () => resumed,
    sink: (): BodySink => {
      if (sink === undefined) throw new Error('nobody reads it yet');
      return sink;
    },
  };
}

describe('PROTOCOL: calls from the edge', () => {
  beforeEach(() => open());

  it('F1, C6: an answer to the only open call leaves at once, with a small body in its head', async () => {
    send(request(2, { body: { kind: 'text', data: 'grüße' } }));
    expect((await read(relayed[0]?.body)).toString()).toBe('grüße');
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
    expect([...(await read(relayed[0]?.body))]).toEqual([0xff, 0]);
    relayed[0]?.answer({ body: Buffer.from([0xfe]) });
    relayed[1]?.answer({ body: Buffer.alloc(100_000) });
    await settle();
    expect(edge.take('response').map(({ body }) => body)).toEqual([
      { kind: 'base64', data: '/g==' },
      { kind: 'stream', length: 100_000 },
    ]);
    expect(edge.bodies.get(4)).toEqual([STREAM_OPENING_BYTES]);
    send({ type: 'credit', id: 4, bytes: 50_000 });
    expect(edge.bodies.get(4)).toEqual([65_536, 34_464]);
  });

  it('C6, C8: a streamed request body is handed on as it comes, and granted as it is read', async () => {
    send(request(2, { body: { kind: 'stream' } }), request(4, { body: { kind: 'stream' } }));
    expect(relayed.map(({ head }) => head.id)).toEqual([2, 4]);
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: new Uint8Array(STREAM_OPENING_BYTES) }));
    session.receiveBytes(encodeChunk({ id: 4, last: false, bytes: new Uint8Array(5) }));
    send({ type: 'end', id: 4 });
    expect((await read(relayed[1]?.body)).length).toBe(5);
    expect(edge.take('credit')).toEqual([]);
    const body = read(relayed[0]?.body);
    await settle();
    expect(edge.take('credit')).toEqual([{ type: 'credit', id: 2, bytes: STREAM_WINDOW_BYTES }]);
    session.receiveBytes(encodeChunk({ id: 2, last: true, bytes: new Uint8Array(9) }));
    expect((await body).length).toBe(STREAM_OPENING_BYTES + 9);
  });

  it('C6: a small streamed body of known length is handed on whole', async () => {
    send(request(2, { body: { kind: 'stream', length: 6 } }));
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: Buffer.from('abc') }));
    await settle();
    expect(relayed).toEqual([]);
    session.receiveBytes(encodeChunk({ id: 2, last: true, bytes: Buffer.from('def') }));
    await settle();
    expect(relayed[0]?.body).toEqual(new Uint8Array(Buffer.from('abcdef')));
  });

  it('C8: a body beyond its credit ends the socket', () => {
    send(request(2, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(STREAM_OPENING_BYTES + 1)))
      session.receiveBytes(encodeChunk(chunk));
    expect(edge.closed?.code).toBe(4400);
  });

  it('C8: an answer is read from its upstream no faster than the edge grants', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    expect(edge.take('response')[0]).toMatchObject({ id: 2, body: { kind: 'stream' } });
    expect(upstream.sink().write(Buffer.alloc(STREAM_OPENING_BYTES))).toBe(false);
    expect(upstream.sink().write(Buffer.alloc(65_536))).toBe(false);
    expect(edge.bodies.get(2)).toEqual([STREAM_OPENING_BYTES]);
    clock.pass(1);
    send({ type: 'credit', id: 2, bytes: 65_536 });
    expect([edge.bodies.get(2)?.length, upstream.resumed()]).toEqual([2, 0]);
    send({ type: 'credit', id: 2, bytes: 1 });
    expect(upstream.resumed()).toBe(1);
    upstream.sink().end();
    clock.flush();
    expect(edge.take('end')).toEqual([{ type: 'end', id: 2 }]);
    expect(session.callsOpen).toBe(0);
  });

  it('C2: an answer that breaks off is an error behind its head', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    upstream.sink().write(Buffer.from('half'));
    upstream.sink().fail(new Failure('upstream_failed', 'it died'));
    clock.flush();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'upstream_failed' } });
    expect([edge.take('end'), session.callsOpen]).toEqual([[], 0]);
  });

  it('C2: cancel stops an answer that streams', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    send({ type: 'cancel', id: 2, reason: 'the customer has gone' });
    expect(relayed[0]?.signal.aborted).toBe(true);
    expect(upstream.sink().write(Buffer.from('more'))).toBe(false);
    expect(edge.bodies.get(2)).toBeUndefined();
  });

  it('C4: the deadline counts from the last byte of the request that was passed on', async () => {
    send(request(2, { deadlineMs: 50, body: { kind: 'stream' } }));
    const body = read(relayed[0]?.body);
    clock.pass(40);
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: new Uint8Array(5) }));
    await settle();
    clock.pass(40);
    expect(edge.take('error')).toEqual([]);
    clock.pass(20);
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'deadline_exceeded' } });
    await expect(body).rejects.toThrow();
  });

  it('C4: an answer that streams has no deadline, but may not be idle for ever', async () => {
    const upstream = upstreamBody();
    send(request(2, { deadlineMs: 50 }));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    const pass = (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        clock.pass(10_000);
        session.receiveText('pong');
      }
    };
    pass(STREAM_IDLE_MS - 20_000);
    upstream.sink().write(Buffer.from('event'));
    pass(STREAM_IDLE_MS - 20_000);
    expect(edge.take('error')).toEqual([]);
    pass(30_000);
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'deadline_exceeded' } });
    expect(relayed[0]?.signal.aborted).toBe(true);
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
    const pulled = session.calls.blob(ref, never);
    await settle();
    expect(edge.take('blob')).toEqual([{ type: 'blob', id: 1, sha256: ref.sha256, part: 0 }]);
    answer(1, blob.subarray(0, BLOB_PART_BYTES));
    await settle();
    expect(edge.take('blob')[1]).toEqual({ type: 'blob', id: 3, sha256: ref.sha256, part: 1 });
    answer(3, blob.subarray(BLOB_PART_BYTES));
    expect(blob.equals(await pulled)).toBe(true);
  });

  it('with another digest or length are blob_missing', async () => {
    const wrongDigest = session.calls.blob({ sha256: 'f'.repeat(64), bytes: 2 }, never);
    const short = session.calls.blob({ sha256: 'f'.repeat(64), bytes: 9 }, never);
    answer(1, Buffer.from('no'));
    answer(3, Buffer.from('no'));
    await expect(wrongDigest).rejects.toMatchObject({ code: 'blob_missing' });
    await expect(short).rejects.toMatchObject({ code: 'blob_missing' });
  });

  it('hand on the edge’s error', async () => {
    const pulled = session.calls.blob(ref, never);
    send({ type: 'error', id: 1, error: new Failure('blob_missing', 'it was pruned').toWire() });
    await expect(pulled).rejects.toMatchObject({ code: 'blob_missing', message: 'it was pruned' });
  });

  it('have a deadline, and end with the socket', async () => {
    const late = session.calls.blob(ref, never);
    clock.pass(1_000);
    const lost = session.calls.blob(ref, never);
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

  it('C1, C12: share the odd ids with blobs, and each gets its own answer', async () => {
    const pulled = session.calls.blob({ sha256: sha256Of(Buffer.from('b')), bytes: 1 }, never);
    const [first, second] = [
      session.calls.secret(ref, never),
      session.calls.secret({ ...ref, name: 'other' }, never),
    ];
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
    const late = session.calls.secret(ref, never);
    for (let waited = 0; waited < 30; waited++) {
      clock.pass(1_000);
      session.receiveText('pong');
    }
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const leave = new AbortController();
    const left = session.calls.secret(ref, leave.signal);
    leave.abort();
    await expect(left).rejects.toMatchObject({ code: 'orchestrator_lost' });
    const lost = session.calls.secret(ref, never);
    session.closed(1006, '');
    await expect(lost).rejects.toMatchObject({ code: 'orchestrator_lost' });
    await expect(session.calls.secret(ref, never)).rejects.toMatchObject({ code: 'orchestrator_lost' });
  });
});

describe('PROTOCOL C15: tallies', () => {
  const never = new AbortController().signal;
  const ref = { siteId: 'site-1', window: 'w', version: 'v-2', before: 'v-1' };
  const none = { answered: 0, failed: 0, apart: 0 };

  beforeEach(() => open());

  it('are asked for with odd ids, and handed on', async () => {
    const asked = session.calls.tally(ref, never);
    await settle();
    expect(edge.take('get_tally')).toEqual([{ type: 'get_tally', id: 1, ...ref }]);
    const counted = { since: 5, at: 9, version: { ...none, failed: 2 }, before: none, others: none };
    send({ type: 'tally', id: 1, ...counted });
    expect(await asked).toMatchObject(counted);
  });

  it('are waited for 2 s, no longer: an edge that does not know them is silent', async () => {
    const asked = session.calls.tally(ref, never);
    clock.pass(2_000);
    await expect(asked).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });
});
