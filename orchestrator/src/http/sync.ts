import { siteId, syncEventBody } from '@clawdbot/protocol';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Events, SharedTables } from '../sync/index.ts';
import type { AppEnv } from './auth.ts';
import { limit, queryOf } from './query.ts';

export interface SyncSources {
  readonly events: Pick<Events, 'list'>;
  readonly shared: Pick<SharedTables, 'tables' | 'rows'>;
}

const eventType = z.enum(syncEventBody.options.map((option) => option.shape.type.value));
const eventsQuery = z.strictObject({
  site: siteId.optional(),
  type: eventType.optional(),
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'expected the `next` of an earlier page')
    .transform(Number)
    .optional(),
  limit,
});
const rowsQuery = z.strictObject({ after: z.string().max(500).optional(), limit });

/**
 * What goes to D1, and what came from there:
 *
 * - `/events`: the newest first, each with whether D1 has it (`syncedToWorkers`);
 * - `/shared`: the existing API's tables with how many rows each has;
 * - `/shared/:table`: `{ key, position, row }` by key; none for a table that has not come yet.
 */
export function createSyncRoutes({ events, shared }: SyncSources): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get('/events', (c) => c.json(events.list(queryOf(c, eventsQuery))));
  app.get('/shared', (c) => c.json({ items: shared.tables(), next: null }));
  app.get('/shared/:table', (c) => {
    const query = queryOf(c, rowsQuery);
    return c.json(shared.rows(c.req.param('table'), query.limit, query.after));
  });
  return app;
}
