import { Hono } from 'hono';
import type { Platform } from '../platform.ts';
import { scriptOf } from './context.ts';
import { ok } from './envelope.ts';
import { AUTHOR_EMAIL } from './views.ts';

/** The account's share of workers.dev. Nobody serves it: a Worker's address is its `subdomain.url`. */
const SUBDOMAIN = 'sandbox';
const ONE_PAGE = { page: 1, per_page: 50, count: 1, total_count: 1, total_pages: 1 };

/** Who the token is: asked by `wrangler whoami`. */
export function userRoutes(platform: Platform): Hono {
  const account = { id: platform.account.accountId, name: 'Sandbox', type: 'standard' };
  return new Hono()
    .get('/user', (c) => ok(c, { id: '00000000000000000000000000000001', email: AUTHOR_EMAIL }))
    .get('/user/tokens/verify', (c) => ok(c, { id: '00000000000000000000000000000002', status: 'active' }))
    .get('/accounts', (c) => ok(c, [account], ONE_PAGE))
    .get('/memberships', (c) =>
      ok(
        c,
        [{ id: '00000000000000000000000000000003', status: 'accepted', roles: ['Administrator'], account }],
        ONE_PAGE,
      ),
    );
}

/** What wrangler asks of an account besides its scripts; most of it is empty here. */
export function accountRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/', (c) => ok(c, { id: platform.account.accountId, name: 'Sandbox', type: 'standard' }))
    .get('/workers/subdomain', (c) => ok(c, { subdomain: SUBDOMAIN }))
    .get('/workers/scripts/:name/references', (c) => {
      scriptOf(platform, c);
      return ok(c, {});
    })
    .get('/workers/tails/by-consumer/:name', (c) => ok(c, []))
    .get('/storage/kv/namespaces', (c) => ok(c, [], { ...ONE_PAGE, count: 0, total_count: 0 }));
}
