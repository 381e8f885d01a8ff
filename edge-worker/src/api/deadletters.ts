import { type DeadLetter, Failure } from '@clawdbot/protocol';
import type {
  dropDeadLetterRoute,
  getDeadLetterRoute,
  listDeadLettersRoute,
  replayDeadLetterRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import { letterPlace, noLetter } from '../channel/letter-id.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import type { Page } from '../data/cursor.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE, type Services } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';

/** Objects asked for one page, all at once; of most of them there is nothing to list. */
const ORCHESTRATORS_PER_PAGE = 50;

export const listDeadLetters: ApiHandler<typeof listDeadLettersRoute> = async (c) => {
  const { limit, after, orchestrator } = c.req.valid('query');
  const place = after === undefined ? undefined : parsePlace(after);
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  const asked = await whomToAsk(orchestrators, place, orchestrator);
  return c.json(await gather(c.env.services, asked, limit), 200);
};

export const getDeadLetter: ApiHandler<typeof getDeadLetterRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).deadLetter(id)), 200);
};

export const replayDeadLetter: ApiHandler<typeof replayDeadLetterRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).replayDeadLetter(id, c.var.user.sub)), 200);
};

export const dropDeadLetter: ApiHandler<typeof dropDeadLetterRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holderOf(c, id)).dropDeadLetter(id, c.var.user.sub)), 200);
};

/** Where a list goes on: within an orchestrator, or behind it. */
interface Place {
  readonly orchestratorId: string;
  readonly within: string | undefined;
}

const placeText = (orchestratorId: string, within: string | null): string =>
  `${orchestratorId}:${within ?? ''}`;

function parsePlace(text: string): Place {
  const [, orchestratorId, within] = /^([a-z0-9-]{1,63}):(\d{1,15}|dl_[\w-]{1,300})?$/.exec(text) ?? [];
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
  orchestrators: Orchestrators,
  place: Place | undefined,
  only: string | undefined,
): Promise<Asked> {
  const begun = place?.within === undefined ? [] : [place];
  if (only !== undefined) {
    const { id } = await orchestrators.get(only);
    const from = begun.find(({ orchestratorId }) => orchestratorId === id);
    return { places: [from ?? { orchestratorId: id, within: undefined }], more: false };
  }
  for (const { orchestratorId } of begun) await orchestrators.get(orchestratorId);
  const { items, next } = await orchestrators.list(ORCHESTRATORS_PER_PAGE, place?.orchestratorId);
  const rest = items.map(({ id }) => ({ orchestratorId: id, within: undefined }));
  return { places: [...begun, ...rest], more: next !== null };
}

async function gather(services: Services, { places, more }: Asked, limit: number): Promise<Page<DeadLetter>> {
  const pages = await Promise.all(
    places.map(({ orchestratorId, within }) =>
      ask(services.channel(orchestratorId, CONTROL_LANE).deadLetters(limit, within)),
    ),
  );
  const items: DeadLetter[] = [];
  let last = '';
  for (const [at, { orchestratorId }] of places.entries()) {
    const { items: its = [], next = null } = pages[at] ?? {};
    // A page ends early rather than in the midst of what was read: the next one reads it again.
    if (items.length + its.length > limit) return { items, next: placeText(last, null) };
    items.push(...its);
    if (next !== null) return { items, next: placeText(orchestratorId, next) };
    last = orchestratorId;
  }
  return { items, next: more ? placeText(last, null) : null };
}

/** The object that holds a letter is named by its id; that it is the caller's own is D1's to say. */
async function holderOf(c: ApiContext, id: string): Promise<ChannelRpc> {
  const { services } = c.env;
  const { orchestratorId } = letterPlace(id);
  try {
    await new Orchestrators(services.db, c.var.user.org_id).get(orchestratorId);
  } catch (thrown) {
    throw thrown instanceof Failure && thrown.code === 'not_found' ? noLetter(id) : thrown;
  }
  return services.channel(orchestratorId, CONTROL_LANE);
}
