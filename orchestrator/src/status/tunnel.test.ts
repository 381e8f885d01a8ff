import { describe, expect, it } from 'vitest';
import { watchTunnel } from './tunnel.ts';

/** Shows what the watch says after each of these answers. */
async function seen(answers: (() => Response)[]): Promise<unknown[]> {
  const stop = new AbortController();
  const said: unknown[] = [];
  const over = Promise.withResolvers<void>();
  const status = watchTunnel({
    signal: stop.signal,
    fetcher: async () => (answers.shift() ?? Response.error)(),
    wait: async () => {
      said.push(status());
      if (answers.length > 0) return;
      stop.abort();
      over.resolve();
    },
  });
  await over.promise;
  return said;
}

const answer = (status: number, readyConnections: number) => () =>
  Response.json({ status, readyConnections, connectorId: 'x' }, { status });
const silent = (): Response => {
  throw new TypeError('fetch failed');
};

describe('the tunnel', () => {
  it('is not configured until cloudflared has answered once', async () => {
    expect(await seen([silent, silent])).toEqual([{ state: 'not_configured' }, { state: 'not_configured' }]);
  });

  it('is up with connections, down without, and down when it falls silent', async () => {
    expect(await seen([answer(200, 4), answer(503, 0), silent, answer(200, 1)])).toEqual([
      { state: 'up', connections: 4 },
      { state: 'down', connections: 0 },
      { state: 'down', connections: 0, detail: 'cloudflared does not answer' },
      { state: 'up', connections: 1 },
    ]);
  });

  it('is not what another program on that port says', async () => {
    expect(await seen([() => Response.json({ hello: 'world' })])).toEqual([{ state: 'not_configured' }]);
  });
});
