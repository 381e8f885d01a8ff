import { consoleApp } from './console.ts';
import type { Env } from './env.ts';
import { addressOf, originOf } from './hosts.ts';
import { relayByHostname, relayBySite } from './relay/entry.ts';
import { type Services, servicesOf } from './services.ts';
import { sweep } from './sweep.ts';

/**
 * The edge. A request's Host decides the origin, and only what belongs to an origin is served there:
 *
 * - the console (`console.ts`): `/`, the dashboard's page; `/health`; `/channel`, where orchestrators dial
 *   (`auth/dial.ts`, then the `Channel` object of orchestrator and lane); `/live`, where dashboards watch (`hub/`);
 *   `/api/v1` (`api/`);
 * - the relay's host (`relay/`): `/s/:siteId/*`, a customer's request on its way to a site's upstream;
 * - a host name mapped to a site (`relay/`): all of it is that site's;
 * - anything else: 404.
 *
 * Each minute (`sweep.ts`) sockets of revoked keys are cut, orchestrators that lack changes of the shared tables are woken,
 * and old events deleted.
 */
export { Channel } from './channel/channel.ts';
export { Hub } from './hub/hub.ts';

function serve(request: Request, services: Services): Response | Promise<Response> {
  const address = addressOf(request.url);
  const requestId = services.randomHex(16);
  switch (originOf(address.host, services.hosts)) {
    case 'console':
      return consoleApp.fetch(request, { services, address, requestId });
    case 'relay':
      return relayBySite({ request, address, requestId }, services);
    case 'other':
      return relayByHostname({ request, address, requestId }, services);
  }
}

export default {
  fetch: (request, env, ctx) => serve(request, servicesOf(env, ctx)),
  scheduled: (_, env, ctx) => sweep(servicesOf(env, ctx)),
} satisfies ExportedHandler<Env>;
