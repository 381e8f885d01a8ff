import { type edgeHealth, Failure } from '@clawdbot/protocol';
import { API_PREFIX } from '@clawdbot/protocol/routes';
import { Hono } from 'hono';
import type { z } from 'zod';
import { apiApp } from './api/app.ts';
import type { ConsoleEnv } from './api/env.ts';
import { onError } from './api/failures.ts';
import { channelState, dial } from './auth/dial.ts';
import { dashboard } from './dashboard.ts';
import { admitDashboard } from './hub/live.ts';
import { VERSION } from './version.ts';

/** What answers on the console's host, and nowhere else. */
export const consoleApp = new Hono<ConsoleEnv>()
  .onError(onError)
  .notFound((c) => {
    // The first mistake of everyone: the sandbox's two hosts differ by their names alone.
    const hint = c.req.path.startsWith('/s/')
      ? `: customers’ requests are answered on ${c.env.services.hosts.relay}`
      : '';
    return onError(new Failure('not_found', `nothing answers at this path of the console${hint}`), c);
  })
  .get('/health', (c) => {
    const health: z.infer<typeof edgeHealth> = { status: 'healthy', version: VERSION };
    return c.json(health);
  })
  .get('/channel', (c) => dial(c.req.raw, c.env.services, c.env.requestId))
  .get('/channel/state', (c) => channelState(c.req.raw, c.env.services))
  .get('/live', (c) => admitDashboard(c.req.raw, c.env.services, c.env.requestId))
  .route(API_PREFIX, apiApp())
  .get('*', dashboard);
