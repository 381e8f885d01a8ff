import { Failure } from '@clawdbot/protocol';
import { reach } from '../ask.ts';
import { upgradeOf } from '../auth/dial.ts';
import { bearerOf, verifyUser } from '../auth/user.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE, type HubPort, type Services } from '../services.ts';
import { DASHBOARD_HEADER, type DashboardClaims } from './rpc.ts';

/** More than an organisation has; each is a few hundred bytes of the snapshot. */
const SHOWN_MAX = 200;
const DESCRIBE_DEADLINE_MS = 5_000;

/** `GET /live`: a dashboard connects. Its token is verified here, its socket ends in its organisation's Hub. */
export async function admitDashboard(
  request: Request,
  services: Services,
  requestId: string,
): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    throw new Failure('upgrade_required', 'open a WebSocket here');
  }
  refuseForeignOrigin(request);
  const user = verifyUser(bearerOf(request.headers), services.jwt, services.now());
  const { items } = await new Orchestrators(services.db, user.org_id).list(SHOWN_MAX);
  const orchestrators = items.map(({ id }) => id);
  const claims: DashboardClaims = { sub: user.sub, exp: user.exp, orchestrators };
  const hub = services.hub(user.org_id);
  const upgrade = upgradeOf(request.url, requestId, { [DASHBOARD_HEADER]: JSON.stringify(claims) });
  const response = await reach(hub.fetch(upgrade));
  services.background(Promise.all(orchestrators.map((id) => refresh(id, hub, services))));
  return response;
}

/** A page of another origin must not read our dashboards' data with its visitor's session. */
function refuseForeignOrigin({ headers, url }: Request): void {
  const origin = headers.get('origin');
  if (origin === null || origin === new URL(url).origin) return;
  throw new Failure('forbidden', 'dashboards connect from the console’s own pages only');
}

/** Asks a Channel how its orchestrator is now: nobody may have watched when that last changed. */
async function refresh(orchestratorId: string, hub: HubPort, services: Services): Promise<void> {
  const at = services.now();
  try {
    const described = services.channel(orchestratorId, CONTROL_LANE).describe();
    const { presence, status } = await reach(described, DESCRIBE_DEADLINE_MS);
    await hub.publish({ orchestratorId, presence, at, ...(status === undefined ? {} : { status }) });
  } catch (error) {
    console.warn(
      JSON.stringify({
        level: 'warn',
        orchestratorId,
        message: 'no answer for dashboards',
        error: String(error),
      }),
    );
  }
}
