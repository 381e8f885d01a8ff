import { Failure, matchRoute, pathOf, RECEIPT_ANSWER_BYTES_MAX, type SiteConfig } from '@clawdbot/protocol';
import type { Services } from '../calls/index.ts';
import type { Clock } from '../clock.ts';
import type { AttemptPorts } from './attempt.ts';
import { gather } from './gather.ts';

/** An upstream's answer to a stored request is read so long: by its head it has taken the request. */
const ANSWER_WITHIN_MS = 5_000;

export interface UpstreamOptions {
  /** What runs here. */
  readonly configOf: (siteId: string) => SiteConfig | undefined;
  /** As any relayed request goes. */
  readonly request: Services['request'];
  readonly clock: Clock;
}

/** Where a stored request is delivered: at the upstream of the route that takes it in the config that runs here. */
export function createUpstream({
  configOf,
  request,
  clock,
}: UpstreamOptions): Pick<AttemptPorts, 'send' | 'timeoutMs'> {
  const routeOf = (siteId: string, method: string, url: string) =>
    matchRoute(configOf(siteId)?.routes ?? [], method, pathOf(url));
  return {
    timeoutMs: (siteId, method, url) => routeOf(siteId, method, url)?.timeoutMs,
    send: async (call) => {
      // The relay's own 404 is no upstream's: the config may still be on its way, or was refused here.
      if (routeOf(call.head.siteId ?? '', call.head.method, call.head.url) === undefined) throw noRoute();
      const enough = new AbortController();
      const signal = AbortSignal.any([call.signal, enough.signal]);
      const { body, ...reply } = await request({ ...call, signal });
      const giveUp = () => enough.abort(new Failure('upstream_failed', 'its answer is not read any further'));
      const limits = { bytesMax: RECEIPT_ANSWER_BYTES_MAX, ms: ANSWER_WITHIN_MS };
      return { ...reply, body: await gather(body, { ...limits, clock, giveUp }) };
    },
  };
}

const noRoute = () =>
  new Failure('upstream_failed', 'no route of the config that runs here takes it', {
    execution: 'not_started',
  });
