import type { DeadLetter } from '@clawdbot/protocol';
import type {
  dropDeadLetterRoute,
  getDeadLetterRoute,
  listDeadLettersRoute,
  replayDeadLetterRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import { letterPlace, noLetter } from '../channel/letter-id.ts';
import type { Page } from '../data/cursor.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE, type Services } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { holderOf } from './holder.ts';
import { type Asked, parsePlace, placeText, whomToAsk } from './places.ts';

/** Objects asked for one page, all at once; of most of them there is nothing to list. */
const ORCHESTRATORS_PER_PAGE = 50;
const WITHIN = /^(\d{1,15}|dl_[\w-]{1,300})$/;

export const listDeadLetters: ApiHandler<typeof listDeadLettersRoute> = async (c) => {
  const { limit, after, orchestrator } = c.req.valid('query');
  const place = after === undefined ? undefined : parsePlace(after, WITHIN);
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  const perPage = ORCHESTRATORS_PER_PAGE;
  const asked = await whomToAsk(orchestrators, { place, only: orchestrator, perPage });
  return c.json(await gather(c.env.services, asked, limit), 200);
};

export const getDeadLetter: ApiHandler<typeof getDeadLetterRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).deadLetter(id)), 200);
};

export const replayDeadLetter: ApiHandler<typeof replayDeadLetterRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).replayDeadLetter(id, c.var.user.sub)), 200);
};

export const dropDeadLetter: ApiHandler<typeof dropDeadLetterRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  return c.json(await ask((await holder(c, id)).dropDeadLetter(id, c.var.user.sub)), 200);
};

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

const holder = (c: ApiContext, id: string) => holderOf(c, letterPlace(id).orchestratorId, noLetter(id));
