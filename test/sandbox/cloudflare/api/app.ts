import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { Platform } from '../platform.ts';
import { accountRoutes, userRoutes } from './account.ts';
import { type BudgetOptions, CallBudget } from './budget.ts';
import { Calls } from './calls.ts';
import { isSame } from './context.ts';
import { domainRoutes } from './domains.ts';
import { ApiError, CODES, ok, refuse } from './envelope.ts';
import { Faults } from './faults.ts';
import { namespaceRoutes } from './namespaces.ts';
import { queueRoutes } from './queues.ts';
import { routeRoutes, zoneRoutes } from './routes.ts';
import { runnerRoutes } from './runner.ts';
import { scriptRoutes } from './scripts.ts';
import { secretRoutes } from './secrets.ts';
import { settingsRoutes } from './settings.ts';
import { versionRoutes } from './versions.ts';

/** The bearer token, or Cloudflare's refusal of a request that has none, or a malformed one. */
function bearer(c: Context): string {
  const header = c.req.header('authorization');
  if (header === undefined) {
    throw new ApiError(
      400,
      CODES.missingCredentials,
      'Missing X-Auth-Key, X-Auth-Email or Authorization headers',
    );
  }
  const token = /^Bearer\s+([\w.~+/=-]+)\s*$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw new ApiError(400, CODES.invalidRequestHeaders, 'Invalid request headers', {
    chain: [{ code: CODES.invalidAuthorizationFormat, message: 'Invalid format for Authorization header' }],
  });
}

function authenticate(platform: Platform): MiddlewareHandler {
  return (c, next) => {
    if (isSame(bearer(c), platform.account.apiToken)) return next();
    throw c.req.path.endsWith('/user/tokens/verify')
      ? new ApiError(401, CODES.invalidApiToken, 'Invalid API Token')
      : new ApiError(401, CODES.authentication, 'Authentication error');
  };
}

function throttle(budget: CallBudget): MiddlewareHandler {
  return (c, next) => {
    const waitMs = budget.take(bearer(c));
    if (waitMs === 0) return next();
    throw new ApiError(429, CODES.throttled, 'Please wait and consider throttling your request speed', {
      retryAfterS: Math.ceil(waitMs / 1000),
    });
  };
}

/** An id that is none is no route at all (7003); somebody else's account is forbidden (10000). */
function ownAccount(platform: Platform): MiddlewareHandler {
  return (c, next) => {
    const account = c.req.param('account') ?? '';
    if (!/^[0-9a-f]{32}$/.test(account)) throw unroutable(c);
    if (account !== platform.account.accountId) {
      throw new ApiError(403, CODES.authentication, 'Authentication error');
    }
    return next();
  };
}

const unroutable = (c: Context): ApiError =>
  new ApiError(
    404,
    CODES.couldNotRoute,
    `Could not route to ${c.req.path}, perhaps your object identifier is invalid?`,
  );

function answerError(error: Error, c: Context): Response {
  if (error instanceof ApiError) return refuse(c, error);
  // Whoever hangs up in mid-upload is no fault of ours.
  if (!c.req.raw.signal.aborted) console.error(error);
  return refuse(c, new ApiError(500, CODES.unknown, 'workers.api.error.unknown'));
}

/** Cloudflare's API, below `/client/v4`. */
function cloudflareApi(platform: Platform, budget: BudgetOptions, faults: Faults, calls: Calls): Hono {
  const workers = new Hono()
    .route('/', scriptRoutes(platform))
    .route('/', routeRoutes(platform))
    .route('/', domainRoutes(platform))
    .route('/dispatch/namespaces', namespaceRoutes(platform))
    .route('/scripts', settingsRoutes(platform))
    .route('/scripts', versionRoutes(platform))
    .route('/scripts', secretRoutes(platform));
  return new Hono()
    .use(authenticate(platform))
    .use(calls.note)
    .use(throttle(new CallBudget(budget, platform.now)))
    .use(faults.meet)
    .route('/', userRoutes(platform))
    .route('/zones', zoneRoutes(platform))
    .use('/accounts/:account/*', ownAccount(platform))
    .route('/accounts/:account', accountRoutes(platform))
    .route('/accounts/:account/queues', queueRoutes(platform))
    .route('/accounts/:account/workers', workers);
}

/** `GET /_workers`: `{ "<name>": "<url>" }` of every Worker that answers. */
function workersList(platform: Platform): Record<string, string> {
  const entries = platform.store.list().map((script) => [script.name, platform.urlOf(script)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The whole HTTP side of the stand-in but the Workers' own ports. */
export function createApp(platform: Platform, budget: BudgetOptions): Hono {
  const faults = new Faults();
  const calls = new Calls(platform.now);
  return new Hono()
    .onError(answerError)
    .notFound((c) => refuse(c, unroutable(c)))
    .get('/_workers', (c) => c.json(workersList(platform)))
    .route('/_runner', runnerRoutes(platform))
    .get('/_health', (c) => ok(c, { workers: platform.store.list().length }))
    .route('/_faults', faults.routes())
    .get('/_calls', (c) => c.json(calls.list))
    .route('/client/v4', cloudflareApi(platform, budget, faults, calls));
}
