import { Failure, orchestratorOfReceipt, type Receipt } from '@clawdbot/protocol';
import type {
  eraseReceiptRoute,
  eraseReceiptsRoute,
  getReceiptRoute,
  listReceiptsRoute,
  ReceiptFilter,
  redeliverReceiptRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { Page } from '../data/cursor.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE, type Services } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { holderOf } from './holder.ts';
import { ownSite } from './own-site.ts';
import { type Asked, type Place, parsePlace, placeText, whomToAsk } from './places.ts';

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
  return c.json(await gather(c.env.services, asked, query), 200);
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

async function gather(
  services: Services,
  { places, more }: Asked,
  query: Omit<ReceiptFilter, 'after' | 'orchestrator'>,
): Promise<Page<Receipt>> {
  const items: Receipt[] = [];
  for (const { orchestratorId, within } of places) {
    if (items.length === query.limit) return { items, next: placeBefore(places, orchestratorId) };
    const limit = query.limit - items.length;
    const channel = services.channel(orchestratorId, CONTROL_LANE);
    const page = await ask(channel.receipts({ ...query, limit, after: within }));
    items.push(...page.items);
    if (page.next !== null) return { items, next: placeText(orchestratorId, page.next) };
  }
  const last = places.at(-1)?.orchestratorId;
  return { items, next: more && last !== undefined ? placeText(last, null) : null };
}

/** Behind the orchestrator that comes before this one in the list. */
function placeBefore(places: readonly Place[], orchestratorId: string): string {
  const at = places.findIndex((place) => place.orchestratorId === orchestratorId);
  return placeText(places[at - 1]?.orchestratorId ?? '', null);
}

const holder = (c: ApiContext, id: string) =>
  holderOf(c, orchestratorOfReceipt(id), new Failure('not_found', `no receipt "${id}" in this organisation`));
