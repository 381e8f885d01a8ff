import { Failure } from '@clawdbot/protocol';
import type {
  getConfigGenerationRoute,
  getSiteConfigRoute,
  listConfigHistoryRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import type { ApiHandler } from './env.ts';
import { ownChannel } from './own-site.ts';

export const getSiteConfig: ApiHandler<typeof getSiteConfigRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json(await ask((await ownChannel(c, id)).config(id)), 200);
};

export const listConfigHistory: ApiHandler<typeof listConfigHistoryRoute> = async (c) => {
  const { id } = c.req.valid('param');
  const { limit, after } = c.req.valid('query');
  return c.json(await ask((await ownChannel(c, id)).configHistory(id, limit, placeOf(after))), 200);
};

export const getConfigGeneration: ApiHandler<typeof getConfigGenerationRoute> = async (c) => {
  const { id, generation } = c.req.valid('param');
  return c.json(await ask((await ownChannel(c, id)).configGeneration(id, generation)), 200);
};

function placeOf(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new Failure('bad_request', 'after: expected the `next` of an earlier page');
}
