import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseAllow } from '../relay/allow.ts';
import { createLook } from './upstream.ts';

const UNSTOPPED = new AbortController().signal;
const look = createLook(parseAllow('127.0.0.1:*,nowhere.invalid:*'));

/** A port of this machine, and what ends listening on it. */
async function listening() {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const close = async () => {
    server.close();
    await once(server, 'close');
  };
  return { origin: `http://127.0.0.1:${port}`, close };
}

describe('a look at an upstream', () => {
  it('is good when it takes connections, and says why when it does not', async () => {
    const { origin, close } = await listening();
    expect(await look(origin, UNSTOPPED)).toEqual({ name: origin, ok: true, latencyMs: expect.any(Number) });
    await close();
    const failed = { name: origin, ok: false, detail: expect.stringMatching(/ECONNREFUSED/) };
    expect(await look(origin, UNSTOPPED)).toEqual(failed);
  });

  it('names a host that has no address', async () => {
    const found = await look('https://nowhere.invalid:1', UNSTOPPED);
    expect(found).toMatchObject({ ok: false, detail: expect.stringMatching(/nowhere\.invalid/) });
  });

  it('does not touch one that is not on this machine’s list', async () => {
    const { origin, close } = await listening();
    const strict = createLook(parseAllow('10.0.0.1:80'));
    const detail = expect.stringMatching(/UPSTREAM_ALLOW/);
    expect(await strict(origin, UNSTOPPED)).toEqual({ name: origin, ok: false, detail });
    await close();
  });

  it('does not touch one whose name leads inward', async () => {
    const { origin, close } = await listening();
    const port = new URL(origin).port;
    const inward = createLook(parseAllow('shop.example:*'), (_name, done) =>
      done(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    expect(await inward(`http://shop.example:${port}`, UNSTOPPED)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^shop\.example leads to 127\.0\.0\.1, where UPSTREAM_ALLOW/),
    });
    await close();
  });

  it('ends at once when the orchestrator stops', async () => {
    const { ok } = await look('http://127.0.0.1:1', AbortSignal.abort(new Error('stopping')));
    expect(ok).toBe(false);
  });
});
