import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { parseJson } from '../upload/metadata.ts';
import { change, scriptOf } from './context.ts';
import { ApiError, CODES, notFound, ok } from './envelope.ts';
import { idOf, zone, zoneOf } from './zones.ts';

const Routes = z.array(z.strictObject({ pattern: z.string().min(1), ...zone }));
const ZoneRoute = z.strictObject({ pattern: z.string().min(1), script: z.string().min(1) });

const hostOf = (pattern: string): string => pattern.replace(/^https?:\/\//, '').split('/')[0] ?? '';

const routeView = (pattern: string, script: string): object => ({ id: idOf(pattern), pattern, script });

/** All routes of the account: a pattern is one Worker's. */
const routesOf = ({ store }: Platform): { pattern: string; script: string }[] =>
  store.list().flatMap(({ name, routes }) => routes.map((pattern) => ({ pattern, script: name })));

/** github.com/cloudflare/wrangler-action, #241: what belongs to another Worker stays there. */
function checkRoute(platform: Platform, pattern: string, script: string): void {
  if (routesOf(platform).every((route) => route.pattern !== pattern || route.script === script)) return;
  throw new ApiError(409, CODES.duplicateRoute, 'workers.api.error.duplicate_route');
}

async function setRoutes(platform: Platform, name: string, patterns: string[]): Promise<void> {
  for (const pattern of patterns) checkRoute(platform, pattern, name);
  await change(platform, name, async (present) => ({ ...present, routes: [...new Set(patterns)] }));
}

/** A Worker's routes: kept and shown; here it answers on its own port alone. */
export function routeRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/services/:name/environments/production/routes', (c) => {
      const { name, routes } = scriptOf(platform, c);
      return ok(
        c,
        routes.map((pattern) => routeView(pattern, name)),
      );
    })
    .put('/scripts/:name/routes', async (c) => {
      const wish = parseJson(Routes, await c.req.text(), 'routes');
      const { name } = scriptOf(platform, c);
      await setRoutes(
        platform,
        name,
        wish.map(({ pattern }) => pattern),
      );
      return ok(
        c,
        wish.map(({ pattern }) => routeView(pattern, name)),
      );
    });
}

/** Zones, of which the account has all that anybody names, and the routes that lie in them. */
export function zoneRoutes(platform: Platform): Hono {
  const within = (c: Context) =>
    routesOf(platform).filter(({ pattern }) => idOf(zoneOf(hostOf(pattern))) === c.req.param('zone'));
  const routeOf = (c: Context) => {
    const found = within(c).find(({ pattern }) => idOf(pattern) === c.req.param('route'));
    if (found) return found;
    throw notFound('workers.api.error.route_not_found');
  };
  const patternsOf = (script: string): string[] => {
    const found = platform.store.get(script);
    if (!found) throw notFound();
    return found.routes;
  };
  const put = async (c: Context): Promise<Response> => {
    const { pattern, script } = parseJson(ZoneRoute, await c.req.text(), 'route');
    await setRoutes(platform, script, [...patternsOf(script), pattern]);
    return ok(c, routeView(pattern, script));
  };
  const remove = ({ pattern, script }: { pattern: string; script: string }): Promise<void> =>
    setRoutes(
      platform,
      script,
      patternsOf(script).filter((known) => known !== pattern),
    );
  return new Hono()
    .get('/', (c) => {
      const { name } = c.req.query();
      return ok(c, name === undefined ? [] : [{ id: idOf(name), name }]);
    })
    .get('/:zone/workers/routes', (c) =>
      ok(
        c,
        within(c).map(({ pattern, script }) => routeView(pattern, script)),
      ),
    )
    .post('/:zone/workers/routes', put)
    .put('/:zone/workers/routes/:route', async (c) => {
      await remove(routeOf(c));
      return put(c);
    })
    .delete('/:zone/workers/routes/:route', async (c) => {
      await remove(routeOf(c));
      return ok(c, { id: c.req.param('route') });
    });
}
