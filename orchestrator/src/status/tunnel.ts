import { setTimeout as pause } from 'node:timers/promises';
import type { TunnelStatus } from '@clawdbot/protocol';
import { z } from 'zod';

/** cloudflared's metrics server on its first default port; it shares our network, see docker-compose.yml. */
const READY_URL = 'http://127.0.0.1:20241/ready';
const INTERVAL_MS = 15_000;
const TIMEOUT_MS = 2_000;

/** `/ready` is 200 with at least one connection to Cloudflare, else 503. */
const ready = z.object({ readyConnections: z.int().min(0) });

export interface TunnelOptions {
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly fetcher?: typeof fetch;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** What is known of cloudflared, looked at again and again until the signal aborts. */
export function watchTunnel({ signal, fetcher = fetch, wait = waitFor }: TunnelOptions): () => TunnelStatus {
  let current: TunnelStatus = { state: 'not_configured' };
  void (async () => {
    while (!signal.aborted) {
      current = await look(fetcher, signal, current);
      // Rejected by the signal alone: the loop's condition ends it.
      await wait(INTERVAL_MS, signal).catch(() => undefined);
    }
  })();
  return () => current;
}

const waitFor = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal, ref: false });

async function look(fetcher: typeof fetch, signal: AbortSignal, before: TunnelStatus): Promise<TunnelStatus> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetcher(READY_URL, { signal: limit });
    const { data } = ready.safeParse(await response.json());
    if (data === undefined) return before;
    return { state: response.ok ? 'up' : 'down', connections: data.readyConnections };
  } catch {
    // One that was never seen is none; one that was seen and does not answer any more is down.
    if (before.state === 'not_configured') return before;
    return { state: 'down', connections: 0, detail: 'cloudflared does not answer' };
  }
}
