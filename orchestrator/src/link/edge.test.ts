import { EMPTY_CONFIG, Failure, sha256Of } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { edge, ownEdge, started } from './link.fixture.ts';

ownEdge();

describe('Edge: blobs', () => {
  it('a pull goes on over the next session when its socket is lost', async () => {
    const { link } = started();
    const bytes = Buffer.from(JSON.stringify(EMPTY_CONFIG));
    const pulled = link.edge.blob(
      { sha256: sha256Of(bytes), bytes: bytes.length },
      new AbortController().signal,
    );
    const first = await edge.welcomed(0);
    await first.frame('blob');
    first.terminate();
    const second = await edge.welcomed(1);
    const { id } = await second.frame('blob');
    second.send({ type: 'error', id, error: new Failure('blob_missing', 'gone').toWire() });
    await expect(pulled).rejects.toMatchObject({ code: 'blob_missing' });
  });

  it('a pull ends with its command', async () => {
    const { link } = started();
    const abort = new AbortController();
    const pulled = link.edge.blob({ sha256: 'a'.repeat(64), bytes: 1 }, abort.signal);
    abort.abort(new Failure('conflict', 'cancelled'));
    await expect(pulled).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('Edge: secrets', () => {
  it('one is asked for again over the next session when its socket is lost', async () => {
    const { link } = started();
    const asked = link.edge.secret('site-1', 'key', new AbortController().signal);
    const first = await edge.welcomed(0);
    await first.frame('get_secret');
    first.terminate();
    const second = await edge.welcomed(1);
    const { id, siteId, name } = await second.frame('get_secret');
    expect([siteId, name]).toEqual(['site-1', 'key']);
    second.send({ type: 'secret', id, value: 'Zoë', version: 3 });
    expect(await asked).toEqual({ value: 'Zoë', version: 3 });
  });

  it('one that the edge does not have is a failure that says what to set', async () => {
    const { link } = started();
    const asked = link.edge.secret('site-1', 'key', new AbortController().signal);
    const socket = await edge.welcomed(0);
    const { id } = await socket.frame('get_secret');
    socket.send({ type: 'error', id, error: new Failure('secret_missing', 'set it').toWire() });
    await expect(asked).rejects.toMatchObject({ code: 'secret_missing', message: 'set it' });
  });
});
