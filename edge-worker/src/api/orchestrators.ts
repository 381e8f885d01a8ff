import type { Orchestrator } from '@clawdbot/protocol';
import type {
  getOrchestratorRoute,
  listKeysRoute,
  listOrchestratorsRoute,
  releaseOrchestratorRoute,
  revokeKeyRoute,
} from '@clawdbot/protocol/routes';
import { reach } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { ChannelRpc, ChannelState } from '../channel/rpc.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { OrchestratorKeys } from '../data/revocations.ts';
import { failureOf } from '../problem.ts';
import { cut } from '../revocation.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiHandler } from './env.ts';

const DESCRIBE_DEADLINE_MS = 5_000;

export const listOrchestrators: ApiHandler<typeof listOrchestratorsRoute> = async (c) => {
  const { limit, after } = c.req.valid('query');
  const { db } = c.env.services;
  return c.json(await new Orchestrators(db, c.var.user.org_id).list(limit, after), 200);
};

/** What D1 knows, and what the object does; without an answer from the object, the first and why. */
export const getOrchestrator: ApiHandler<typeof getOrchestratorRoute> = async (c) => {
  const { services } = c.env;
  const { org_id: orgId } = c.var.user;
  const { id, lanes } = await new Orchestrators(services.db, orgId).get(c.req.valid('param').id);
  const state = await describe(id, services.channel(id, CONTROL_LANE));
  const known: Orchestrator = { ...state, orgId, lanes };
  return c.json(known, 200);
};

export const releaseOrchestrator: ApiHandler<typeof releaseOrchestratorRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { services } = c.env;
  const { org_id: orgId } = c.var.user;
  const { id, lanes } = await new Orchestrators(services.db, orgId).get(c.req.valid('param').id);
  const state = await reach(services.channel(id, CONTROL_LANE).release(), DESCRIBE_DEADLINE_MS);
  const known: Orchestrator = { ...state, orgId, lanes };
  return c.json(known, 200);
};

export const listKeys: ApiHandler<typeof listKeysRoute> = async (c) => {
  const { db } = c.env.services;
  const { id } = await new Orchestrators(db, c.var.user.org_id).get(c.req.valid('param').id);
  return c.json({ items: await new OrchestratorKeys(db, id).list(), next: null }, 200);
};

/** The answer comes when the sockets were cut, as far as their objects answered. */
export const revokeKey: ApiHandler<typeof revokeKeyRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { services } = c.env;
  const { kid } = c.req.valid('param');
  const { id, lanes } = await new Orchestrators(services.db, c.var.user.org_id).get(c.req.valid('param').id);
  const keys = new OrchestratorKeys(services.db, id);
  await keys.revoke(kid, c.var.user.sub, services.now());
  await cut({ kid, orchestratorId: id, lanes }, services);
  return c.json({ items: await keys.list(), next: null }, 200);
};

async function describe(id: string, channel: Pick<ChannelRpc, 'describe'>): Promise<ChannelState> {
  try {
    return await reach(channel.describe(), DESCRIBE_DEADLINE_MS);
  } catch (error) {
    const reason = `its channel object gave no answer: ${failureOf(error).message}`;
    return {
      id,
      presence: { state: 'away', reason },
      fence: 0,
      generation: 0,
      queues: { control: 0, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 },
      wakes: 0,
      unknownFrames: 0,
    };
  }
}
