import { Failure, siteId as siteIdSchema } from '@clawdbot/protocol';
import { unwrap } from '../ask.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import type { SiteEntry } from '../data/directory.ts';
import { type Address, hostnameOf } from '../hosts.ts';
import { failureOf } from '../problem.ts';
import type { Services } from '../services.ts';
import { gone } from './call.ts';
import { Carriage } from './carriage.ts';
import { refuseFlood } from './rate.ts';
import { failureResponse, replyResponse } from './reply.ts';
import { callOf } from './request.ts';

/** A customer's request, and the part of it that its site has to do with. */
interface Arrival {
  readonly request: Request;
  readonly address: Address;
  readonly requestId: string;
}

/** On the relay's own host: `/s/:siteId/*` is a site's, prefix stripped; nothing else answers there. */
export function relayBySite(arrival: Arrival, services: Services): Promise<Response> {
  return answered(arrival, async () => {
    const target = splitSite(arrival.address.url);
    if (target === undefined) throw noSite();
    return passOn(arrival, services, await services.directory.site(target.siteId, services), target.url);
  });
}

/** On a host name mapped to a site: all of it is the site's, from its root. */
export function relayByHostname(arrival: Arrival, services: Services): Promise<Response> {
  return answered(arrival, async () => {
    const site = await services.directory.siteOfHostname(hostnameOf(arrival.address.host), services);
    return passOn(arrival, services, site, arrival.address.url);
  });
}

const noSite = () => new Failure('not_found', 'no such site');

/** `/s/demo/a?b` → demo and `/a?b`. The rest stays byte by byte what the customer sent. */
export function splitSite(url: string): { siteId: string; url: string } | undefined {
  const [, siteId = '', rest = ''] = /^\/s\/([^/?]+)(.*)$/s.exec(url) ?? [];
  // Also keeps made-up ids out of the directory's cache.
  if (!siteIdSchema.safeParse(siteId).success) return undefined;
  return { siteId, url: rest.startsWith('/') ? rest : `/${rest}` };
}

async function passOn(
  { request, address, requestId }: Arrival,
  services: Services,
  site: SiteEntry | undefined,
  url: string,
): Promise<Response> {
  if (site === undefined) throw noSite();
  if (site.paused) throw new Failure('site_paused', 'the site is paused', { retryAfterMs: 60_000 });
  await refuseFlood(services.relayRate, site.siteId, request.headers);
  const { randomHex } = services;
  const call = await callOf(request, { requestId, address, url, randomHex });
  const { signal } = request;
  if (signal.aborted) throw gone('not_started');
  const carriage = new Carriage(site, services);
  cancelWithCustomer(signal, requestId, services, carriage);
  const reply = unwrap(await carriage.relay({ ...call, target: 'upstream', siteId: site.siteId }));
  return replyResponse(reply, request.method, requestId);
}

/**
 * Nobody waits for an answer, or for the rest of it, once the customer has gone. The deadline is the object's to keep:
 * a timer here, for each request, cost 6 % of it.
 */
function cancelWithCustomer(
  signal: AbortSignal,
  requestId: string,
  { background }: Services,
  channel: Pick<ChannelRpc, 'cancelCall'>,
): void {
  const cancel = () => background(channel.cancelCall(requestId).catch(() => undefined));
  // Not taken back afterwards: the signal ends with its request, and each call into the runtime costs.
  signal.addEventListener('abort', cancel, { once: true });
}

async function answered({ requestId }: Arrival, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (thrown) {
    return failureResponse(failureOf(thrown), requestId);
  }
}
