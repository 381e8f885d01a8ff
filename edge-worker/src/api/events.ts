import type { listEventsRoute } from '@clawdbot/protocol/routes';
import * as events from '../data/events.ts';
import type { ApiHandler } from './env.ts';

/** From D1, which the objects write behind: a moment old, and there while an object is not. */
export const listEvents: ApiHandler<typeof listEventsRoute> = async (c) =>
  c.json(await events.listEvents(c.env.services.db, c.var.user.org_id, c.req.valid('query')), 200);
