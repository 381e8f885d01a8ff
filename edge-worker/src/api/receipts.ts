import { Failure, orchestratorOfReceipt } from '@clawdbot/protocol';
import type {
  eraseReceiptRoute,
  eraseReceiptsRoute,
  getReceiptRoute,
  listReceiptsRoute,
  redeliverReceiptRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { holderOf } from './holder.ts';
import { ownSite } from './own-site.ts';
import { inTurn, parsePlace, whomToAsk } from './places.ts';

/** Objects asked for one page, one after the other: a search may make each decrypt some MiB. */
const ORCHESTRATORS_PER_PAGE = 20;
const WITHIN = /^rcpt_[\w-]{1,100}$/;
/** Erased in one step. */
export const ERASED_PER_STEP = 200;

export const listReceipts: ApiHandler<typeof listReceiptsRoute> = async (c) => {
  const { after, orchestrator, ...query } = c.req.valid('query');
  // Asked often enough, a search tells what customers typed.
  if (query.q !== undefined) requireAdmin(c.var.user);
  const place = after === undefined ? undefined : parsePlace(after, WITHIN);
  const only = query.site === undefined ? orchestrator : (await ownSite(c, query.site)).orchestratorId;
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  const asked = await whomToAsk(orchestrators, { place, only, perPage: ORCHESTRATORS_PER_PAGE });
  const { limit, ...filter } = query;
  const page = await inTurn(asked, limit, ({ orchestratorId, within }, left) =>
    ask(
      c.env.services
        .channel(orchestratorId, CONTROL_LANE)
        .receipts({ ...filter, limit: left, after: within }),
    ),
  );
  return c.json(page, 200);
};

export const getReceipt: ApiHandler<typeof getReceiptRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).receipt(id)), 200);
};

export const redeliverReceipt: ApiHandler<typeof redeliverReceiptRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).redeliver(id, c.var.user.sub)), 202);
};

export const eraseReceipt: ApiHandler<typeof eraseReceiptRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).eraseReceipt(id, c.var.user.sub)), 200);
};

export const eraseReceipts: ApiHandler<typeof eraseReceiptsRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { site, value: q, after } = c.req.valid('json');
  const { orchestratorId } = await ownSite(c, site);
  const channel = c.env.services.channel(orchestratorId, CONTROL_LANE);
  const query = { site, q, after, limit: ERASED_PER_STEP };
  return c.json(await ask(channel.eraseReceipts(query, c.var.user.sub)), 200);
};

const holder = (c: ApiContext, id: string) =>
  holderOf(c, orchestratorOfReceipt(id), new Failure('not_found', `no receipt "${id}" in this organisation`));
