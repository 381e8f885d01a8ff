import { Failure } from '@clawdbot/protocol';
import { z } from 'zod';
import { reach } from '../ask.ts';
import { upgradeOf } from '../auth/dial.ts';
import { identify, refuseForeign } from '../auth/visitor.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import type { Services } from '../services.ts';
import { DASHBOARD_HEADER, type DashboardClaims } from './rpc.ts';

/** More than an organisation has; each is a few hundred bytes of the snapshot. */
const SHOWN_MAX = 200;

/**
 * `GET /live[?stream=…&after=…]`: a dashboard connects, with a bearer token or the session cookie. Its token is
 * verified here, its socket ends in its organisation's Hub.
 */
export async function admitDashboard(
  request: Request,
  services: Services,
  requestId: string,
): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    throw new Failure('upgrade_required', 'open a WebSocket here');
  }
  refuseForeign(request);
  const user = identify(request, services);
  const orchestrators = await listed(services.db, user.org_id);
  const claims: DashboardClaims = {
    exp: user.exp,
    ...(orchestrators === undefined ? {} : { orchestrators }),
    ...continuation(request.url),
  };
  const upgrade = upgradeOf(request.url, requestId, { [DASHBOARD_HEADER]: JSON.stringify(claims) });
  return reach(services.hub(user.org_id).fetch(upgrade));
}

/** Undefined while D1 fails: dashboards are wanted most then, and the Hub knows whom it was told of last. */
async function listed(db: D1Database, orgId: string): Promise<string[] | undefined> {
  try {
    const { items } = await new Orchestrators(db, orgId).list(SHOWN_MAX);
    return items.map(({ id }) => id);
  } catch (error) {
    const message = 'D1 does not say which orchestrators there are';
    console.warn(JSON.stringify({ level: 'warn', orgId, message, error: String(error) }));
    return undefined;
  }
}

/** Hex, as the Hub makes it: what is written here goes into a header. */
const place = z.object({
  stream: z.string().regex(/^[0-9a-f]{1,64}$/),
  position: z.coerce.number().pipe(z.int().min(0)),
});

/** Where it wants to continue; whoever asks for what cannot be gets the snapshot. */
function continuation(url: string): Pick<DashboardClaims, 'from'> {
  const { searchParams } = new URL(url);
  const { data } = place.safeParse({
    stream: searchParams.get('stream'),
    position: searchParams.get('after') ?? undefined,
  });
  return data === undefined ? {} : { from: data };
}
