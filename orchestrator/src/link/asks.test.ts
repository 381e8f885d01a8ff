import { BLOB_PART_BYTES, chunksOf, encodeChunk, Failure, sha256Of } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { clock, edge, open, ownSession, send, session, settle } from './session.fixture.ts';

ownSession();

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
