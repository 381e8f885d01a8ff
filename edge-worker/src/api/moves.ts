import { type Evacuation, Failure, orchestratorOfMove, type SiteMove } from '@clawdbot/protocol';
import type {
  cancelMoveRoute,
  evacuateRoute,
  getMoveRoute,
  listMovesRoute,
  moveSiteRoute,
} from '@clawdbot/protocol/routes';
import { ask, reach } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import * as moves from '../data/moves.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { Sites } from '../data/sites.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { holderOf } from './holder.ts';

/** Moves begun by one request: each is a call to the object, and eight go on at once there. */
const PER_PAGE = 50;

export const moveSite: ApiHandler<typeof moveSiteRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { db } = c.env.services;
  const site = await new Sites(db, c.var.user.org_id).get(c.req.valid('param').id);
  const target = await present(c, c.req.valid('json').orchestratorId);
  return c.json(await begin(c, site.orchestratorId, site.id, target), 202);
};

/** From the object, never from the VPS: that one may be gone. */
export const evacuate: ApiHandler<typeof evacuateRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { db } = c.env.services;
  const { org_id: orgId } = c.var.user;
  const { id: source } = await new Orchestrators(db, orgId).get(c.req.valid('param').id);
  const target = await present(c, c.req.valid('json').orchestratorId);
  if (target === source) throw new Failure('conflict', `the sites are on ${source} already`);
  const { items, next } = await new Sites(db, orgId).idsOn(source, PER_PAGE, c.req.valid('query').after);
  const done: Evacuation = { moves: [], refused: [], next };
  for (const siteId of items) {
    try {
      done.moves.push(await begin(c, source, siteId, target));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      done.refused.push({ siteId, reason: error.message });
    }
  }
  return c.json(done, 202);
};

export const listMoves: ApiHandler<typeof listMovesRoute> = async (c) =>
  c.json(await moves.listMoves(c.env.services.db, c.var.user.org_id, c.req.valid('query')), 200);

export const getMove: ApiHandler<typeof getMoveRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await sourceOf(c, id)).siteMove(id)), 200);
};

export const cancelMove: ApiHandler<typeof cancelMoveRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await sourceOf(c, id)).cancelMove(id, c.var.user.sub)), 202);
};

const sourceOf = (c: ApiContext, id: string) =>
  holderOf(c, orchestratorOfMove(id), new Failure('not_found', `no move "${id}" in this organisation`));

const begin = (c: ApiContext, source: string, siteId: string, target: string): Promise<SiteMove> =>
  ask(c.env.services.channel(source, CONTROL_LANE).moveSite(siteId, target, c.var.user.sub));

/** An orchestrator of the organisation that is there: one that is away could not take a site over. */
async function present(c: ApiContext, asked: string): Promise<string> {
  const { db, channel } = c.env.services;
  const { id } = await new Orchestrators(db, c.var.user.org_id).get(asked);
  const { presence } = await reach(channel(id, CONTROL_LANE).describe());
  if (presence.state === 'online') return id;
  throw new Failure('conflict', `${id} is ${presence.state}: start it first, or name another orchestrator`);
}
