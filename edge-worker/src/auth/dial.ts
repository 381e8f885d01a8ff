import { Failure, lane, SUBPROTOCOL } from '@clawdbot/protocol';
import { z } from 'zod';
import { ask, reach } from '../ask.ts';
import { type ChannelClaims, CLAIMS_HEADER } from '../channel/claims.ts';
import { REQUEST_ID_HEADER } from '../problem.ts';
import { CONTROL_LANE, type Services } from '../services.ts';
import { verifyChannel } from './channel.ts';
import { bearerOf } from './user.ts';

const laneParam = z.coerce.number().pipe(lane);

/** `GET /channel?lane=n`: an orchestrator dials. Its token is verified here, its socket ends in its object. */
export async function dial(request: Request, services: Services, requestId: string): Promise<Response> {
  requireUpgrade(request);
  const number = laneParam.safeParse(new URL(request.url).searchParams.get('lane') ?? 0);
  if (!number.success) throw new Failure('bad_request', 'lane: expected an integer from 0 to 15');
  const claims = await verified(request, number.data, services);
  const channel = services.channel(claims.orchestratorId, claims.lane);
  const upgrade = upgradeOf(request.url, requestId, { [CLAIMS_HEADER]: JSON.stringify(claims) });
  return reach(channel.fetch(upgrade));
}

/**
 * `GET /channel/state`: how far the edge knows an orchestrator, told to itself alone: the token is one for dialling
 * lane 0, and is used up. Who restores its database has to know.
 */
export async function channelState(request: Request, services: Services): Promise<Response> {
  const claims = await verified(request, CONTROL_LANE, services);
  const known = await ask(services.channel(claims.orchestratorId, CONTROL_LANE).standing(claims));
  return Response.json(known, { headers: { 'cache-control': 'no-store' } });
}

function verified({ headers }: Request, number: number, services: Services): Promise<ChannelClaims> {
  const { db, background, keys } = services;
  const findKey = (kid: string) => keys.byKid(kid, { db, background });
  return verifyChannel({ token: bearerOf(headers), lane: number }, findKey, services.now());
}

/** Throws `upgrade_required` on anything but a WebSocket upgrade that offers our subprotocol. */
function requireUpgrade({ headers }: Request): void {
  const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim());
  if (headers.get('upgrade')?.toLowerCase() === 'websocket' && offered.includes(SUBPROTOCOL)) return;
  throw new Failure('upgrade_required', `open a WebSocket with the subprotocol ${SUBPROTOCOL}`);
}

/** An upgrade for a Durable Object, made anew: no header of whoever dials gets there but what is named here. */
export function upgradeOf(url: string, requestId: string, headers: Record<string, string>): Request {
  return new Request(url, {
    headers: { Upgrade: 'websocket', [REQUEST_ID_HEADER]: requestId, ...headers },
  });
}
