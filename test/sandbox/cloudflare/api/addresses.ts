import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { parseJson } from '../upload/metadata.ts';
import { change, scriptOf } from './context.ts';
import { notFound, ok } from './envelope.ts';

/** `zone_id` and `zone_name` are taken and not looked at: there are no zones here. */
const zone = { zone_id: z.string().optional(), zone_name: z.string().optional() };
const Routes = z.array(z.strictObject({ pattern: z.string().min(1), ...zone }));
const Domain = z.strictObject({
  hostname: z.string().min(1),
  service: z.string().min(1),
  environment: z.literal('production').optional(),
  ...zone,
});

const idOf = (text: string): string => createHash('md5').update(text).digest('hex');

/** Routes and custom domains: they are kept and shown; here a Worker answers on its own port alone. */
export function addressRoutes(platform: Platform): Hono {
  const domains = () =>
    platform.store
      .list()
      .flatMap(({ name, domains: hostnames }) => hostnames.map((hostname) => ({ hostname, service: name })));
  const view = (domain: { hostname: string; service: string }) => ({
    id: idOf(domain.hostname),
    environment: 'production',
    ...domain,
  });
  return new Hono()
    .get('/scripts/:name/routes', (c) => ok(c, routesView(scriptOf(platform, c).routes, c.req.param('name'))))
    .put('/scripts/:name/routes', async (c) => {
      const wish = parseJson(Routes, await c.req.text(), 'routes');
      const routes = wish.map(({ pattern }) => pattern);
      const { name } = await change(platform, c.req.param('name'), async (present) => ({
        ...present,
        routes,
      }));
      return ok(c, routesView(routes, name));
    })
    .get('/domains', (c) => ok(c, domains().map(view)))
    .put('/domains', async (c) => {
      const { hostname, service } = parseJson(Domain, await c.req.text(), 'domain');
      if (platform.store.get(service) === undefined) throw notFound();
      for (const other of domains()) {
        if (other.hostname !== hostname || other.service === service) continue;
        await change(platform, other.service, async (present) => ({
          ...present,
          domains: present.domains.filter((known) => known !== hostname),
        }));
      }
      await change(platform, service, async (present) => ({
        ...present,
        domains: [...new Set([...present.domains, hostname])],
      }));
      return ok(c, view({ hostname, service }));
    });
}

const routesView = (patterns: readonly string[], script: string): object[] =>
  patterns.map((pattern) => ({ id: idOf(pattern), pattern, script }));
