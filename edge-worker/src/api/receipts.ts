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
import type { ChannelRpc } from '../channel/rpc.ts';
import type { Page } from '../data/cursor.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE, type Services } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { ownSite } from './own-site.ts';

/** Objects asked for one page, one after the other: a search may make each decrypt some MiB. */
const ORCHESTRATORS_PER_PAGE = 20;
/** Erased in one step. */
const ERASED_PER_STEP = 200;

export const listReceipts: ApiHandler<typeof listReceiptsRoute> = async (c) => {
  const { after, orchestrator, ...query } = c.req.valid('query');
  const place = after === undefined ? undefined : parsePlace(after);
  const asked = await whomToAsk(c, place, query.site, orchestrator);
  return c.json(await gather(c.env.services, asked, query), 200);
};

export const getReceipt: ApiHandler<typeof getReceiptRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).receipt(id)), 200);
};

export const redeliverReceipt: ApiHandler<typeof redeliverReceiptRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).redeliver(id, c.var.user.sub)), 202);
};

export const eraseReceipt: ApiHandler<typeof eraseReceiptRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).eraseReceipt(id, c.var.user.sub)), 200);
};

export const eraseReceipts: ApiHandler<typeof eraseReceiptsRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { site, value: q, after } = c.req.valid('json');
  const { orchestratorId } = await ownSite(c, site);
  const channel = c.env.services.channel(orchestratorId, CONTROL_LANE);
  const query = { site, q, after, limit: ERASED_PER_STEP };
  return c.json(await ask(channel.eraseReceipts(query, c.var.user.sub)), 200);
};

/** Where a list goes on: within an orchestrator, or behind it. */
interface Place {
  readonly orchestratorId: string;
  readonly within: string | undefined;
}

const placeText = (orchestratorId: string, within: string | null): string =>
  `${orchestratorId}:${within ?? ''}`;

function parsePlace(text: string): Place {
  const [, orchestratorId, within] = /^([a-z0-9-]{1,63}):(rcpt_[\w-]{1,100})?$/.exec(text) ?? [];
  if (orchestratorId === undefined) {
    throw new Failure('bad_request', 'after: expected the `next` of an earlier page');
  }
  return { orchestratorId, within };
}

/** Orchestrators in the order of the list, each with where to begin in it. */
interface Asked {
  readonly places: readonly Place[];
  /** There are others behind these. */
  readonly more: boolean;
}

async function whomToAsk(
  c: ApiContext,
  place: Place | undefined,
  site: string | undefined,
  orchestrator: string | undefined,
): Promise<Asked> {
  const only = site === undefined ? orchestrator : (await ownSite(c, site)).orchestratorId;
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  if (only !== undefined) {
    const { id } = await orchestrators.get(only);
    if (place?.orchestratorId === id)
      return { places: place.within === undefined ? [] : [place], more: false };
    return { places: [{ orchestratorId: id, within: undefined }], more: false };
  }
  const begun = place?.within === undefined ? [] : [place];
  for (const { orchestratorId } of begun) await orchestrators.get(orchestratorId);
  const { items, next } = await orchestrators.list(ORCHESTRATORS_PER_PAGE, place?.orchestratorId);
  const rest = items.map(({ id }) => ({ orchestratorId: id, within: undefined }));
  return { places: [...begun, ...rest], more: next !== null };
}

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

/** The object that holds a receipt is named by its id; that it is the caller's own is D1's to say. */
async function holderOf(c: ApiContext, id: string): Promise<ChannelRpc> {
  const { services } = c.env;
  const unknown = new Failure('not_found', `no receipt "${id}" in this organisation`);
  const orchestratorId = orchestratorOfReceipt(id);
  if (orchestratorId === undefined) throw unknown;
  try {
    await new Orchestrators(services.db, c.var.user.org_id).get(orchestratorId);
  } catch (thrown) {
    throw thrown instanceof Failure && thrown.code === 'not_found' ? unknown : thrown;
  }
  return services.channel(orchestratorId, CONTROL_LANE);
}
