import { randomUUID } from 'node:crypto';
import { Failure, problemOf, retryAfterSeconds, siteId } from '@clawdbot/protocol';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Reporter } from '../status/index.ts';
import { isStorageFault, storageFailed } from '../store/index.ts';
import { type AppEnv, type AuthOptions, authenticated, limited } from './auth.ts';
import type { LocalCommand } from './commands.ts';
import { createDeadLetterRoutes, type DeadLetterSources } from './deadletters.ts';
import { deployLocally, type SubmitDeploy } from './deploy.ts';
import { createRateLimit } from './limit.ts';
import { limit, queryOf } from './query.ts';
import { createSyncRoutes, type SyncSources } from './sync.ts';

export interface HttpOptions extends AuthOptions, SyncSources, DeadLetterSources {
  readonly reporter: Reporter;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly deploy: SubmitDeploy;
  /** The newest first. */
  readonly commands: (limit: number) => LocalCommand[];
  readonly log: Logger;
}

/** Ten MB of modules as base64, and the rest of the payload. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
const PER_SECOND = 50;
const BURST = 200;

const commandsQuery = z.object({ limit });
const statusQuery = z.object({ siteId: siteId.optional() });

/**
 * The orchestrator's own HTTP API: `/health` and `/ready` for anyone who can reach it, the rest for whoever
 * holds its key, and for admins by way of the edge.
 */
export function createHttp(options: HttpOptions): Hono<AppEnv> {
  const { reporter, metrics, log } = options;
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    c.set('requestId', c.env.edge?.requestId ?? randomUUID());
    await next();
    c.header('x-request-id', c.get('requestId'));
  });
  app.use(limited(createRateLimit({ perSecond: PER_SECOND, burst: BURST, now: options.now })));
  const restricted = authenticated(options);
  app.use('/metrics', restricted);
  app.use('/internal/*', restricted);

  // 200 in every state: a supervisor that restarts what answers 503 would send a superseded process into the
  // next fight with its successor. `status` says what is wrong, and `/ready` is 503.
  app.get('/health', (c) => c.json(reporter.health()));
  app.get('/ready', (c) => {
    const readiness = reporter.readiness();
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );
  app.route('/internal', internal(options));
  app.notFound((c) => refuse(c, new Failure('not_found', `there is no ${c.req.method} ${c.req.path} here`)));
  app.onError((error, c) => {
    if (error instanceof Failure) return refuse(c, error);
    if (isStorageFault(error)) return refuse(c, storageFailed(error));
    log.error('a local request failed', { requestId: c.get('requestId'), path: c.req.path, error });
    return refuse(c, new Failure('internal', 'the orchestrator failed: see its log'));
  });
  return app;
}

function internal({ reporter, deploy, commands, log, letters, ...sync }: HttpOptions): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const tooLarge = (): never => {
    throw new Failure('too_large', `a deployment has at most ${BODY_BYTES_MAX} bytes as JSON`);
  };
  app.post('/deploy', bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }), async (c) => {
    log.info('a local deployment', { requestId: c.get('requestId'), actor: c.get('actor') });
    return c.json({ success: true, ...(await deployLocally(await c.req.text(), deploy)) });
  });
  app.get('/commands', (c) => c.json({ items: commands(queryOf(c, commandsQuery).limit), next: null }));
  app.get('/status', async (c) => {
    const { siteId: site } = queryOf(c, statusQuery);
    return c.json(site === undefined ? reporter.status() : await reporter.report(site));
  });
  app.route('/', createSyncRoutes(sync));
  app.route('/deadletters', createDeadLetterRoutes({ letters, log }));
  return app;
}

function refuse(c: Context<AppEnv>, failure: Failure): Response {
  const { retryAfterMs } = failure.details;
  const headers = {
    'content-type': 'application/problem+json',
    ...(retryAfterMs === undefined ? {} : { 'retry-after': retryAfterSeconds(retryAfterMs) }),
    ...(failure.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  };
  // Our errors' statuses all allow a body; the type cannot know.
  const status = failure.status as ContentfulStatusCode;
  return c.body(JSON.stringify(problemOf(failure, c.get('requestId'))), status, headers);
}
