import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { parseJson } from '../upload/metadata.ts';
import { change, scriptOf } from './context.ts';
import { ApiError, CODES, notFound, ok } from './envelope.ts';
import { idOf, zone, zoneOf } from './zones.ts';

const Domain = z.strictObject({
  hostname: z.string().min(1),
  service: z.string().min(1),
  environment: z.literal('production').optional(),
  override_existing_origin: z.boolean().optional(),
  ...zone,
});
const Origins = z.array(z.strictObject({ hostname: z.string().min(1), ...zone }));
/** What wrangler sends: all of a Worker's domains. */
const Records = z.strictObject({
  override_scope: z.boolean(),
  override_existing_origin: z.boolean(),
  override_existing_dns_record: z.boolean(),
  origins: Origins,
});

interface Address {
  hostname: string;
  service: string;
}

const domainView = ({ hostname, service }: Address): object => ({
  ...{ id: idOf(hostname), hostname, service, environment: 'production' },
  ...{ zone_id: idOf(zoneOf(hostname)), zone_name: zoneOf(hostname) },
});

/** All custom domains of the account: a host name is one Worker's. */
const domainsOf = ({ store }: Platform): Address[] =>
  store.list().flatMap(({ name, domains }) => domains.map((hostname) => ({ hostname, service: name })));

/** Words of the live API: github.com/alchemy-run/alchemy-async, #1384. */
const inUse = (hostname: string): ApiError =>
  new ApiError(
    409,
    CODES.domainInUse,
    `Hostname '${hostname}' already in use by other custom domain. Either delete it, try a different hostname, or use the option 'override_existing_origin' to override.`,
  );

async function setDomains(
  platform: Platform,
  name: string,
  next: (present: string[]) => string[],
): Promise<void> {
  await change(platform, name, async (present) => ({
    ...present,
    domains: [...new Set(next(present.domains))],
  }));
}

const without = (hostname: string) => (present: string[]) => present.filter((known) => known !== hostname);

async function attach(platform: Platform, { hostname, service }: Address, override: boolean): Promise<void> {
  if (platform.store.get(service) === undefined) throw notFound();
  const other = domainsOf(platform).find((known) => known.hostname === hostname && known.service !== service);
  if (other && !override) throw inUse(hostname);
  if (other) await setDomains(platform, other.service, without(hostname));
  await setDomains(platform, service, (present) => [...present, hostname]);
}

function domainOf(platform: Platform, c: Context): Address {
  const found = domainsOf(platform).find(({ hostname }) => idOf(hostname) === c.req.param('domain'));
  if (found) return found;
  throw notFound('No such domain.');
}

/** Custom domains: kept and shown; here a Worker answers on its own port alone. */
export function domainRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/domains', (c) => {
      const { service, hostname } = c.req.query();
      const wanted = domainsOf(platform).filter(
        (known) =>
          known.service === (service ?? known.service) && known.hostname === (hostname ?? known.hostname),
      );
      return ok(c, wanted.map(domainView));
    })
    .put('/domains', async (c) => {
      const wish = parseJson(Domain, await c.req.text(), 'domain');
      await attach(platform, wish, wish.override_existing_origin === true);
      return ok(c, domainView(wish));
    })
    .get('/domains/:domain', (c) => ok(c, domainView(domainOf(platform, c))))
    .delete('/domains/:domain', async (c) => {
      const { hostname, service } = domainOf(platform, c);
      await setDomains(platform, service, without(hostname));
      return ok(c, null);
    })
    .route('/scripts/:name/domains', scriptDomainRoutes(platform));
}

/** All of a Worker's domains at once, as wrangler sets them. */
function scriptDomainRoutes(platform: Platform): Hono {
  const change = (service: string, origins: z.infer<typeof Origins>) => {
    const wanted = origins.map(({ hostname }) => hostname);
    const known = domainsOf(platform);
    const own = known.filter((domain) => domain.service === service);
    const theirs = known.filter(({ hostname, service: by }) => by !== service && wanted.includes(hostname));
    return {
      added: wanted.filter((hostname) => known.every((domain) => domain.hostname !== hostname)),
      removed: own.filter(({ hostname }) => !wanted.includes(hostname)),
      kept: own.filter(({ hostname }) => wanted.includes(hostname)),
      theirs,
    };
  };
  return new Hono()
    .post('/changeset', async (c) => {
      const { name } = scriptOf(platform, c);
      const { added, removed, kept, theirs } = change(
        name,
        parseJson(Origins, await c.req.text(), 'origins'),
      );
      return ok(c, {
        added: added.map((hostname) => domainView({ hostname, service: name })),
        removed: removed.map(domainView),
        updated: [
          ...kept.map((domain) => ({ ...domainView(domain), modified: false })),
          ...theirs.map((domain) => ({ ...domainView(domain), modified: true })),
        ],
        conflicting: [],
      });
    })
    .put('/records', async (c) => {
      const { name } = scriptOf(platform, c);
      const { origins, override_existing_origin: override } = parseJson(
        Records,
        await c.req.text(),
        'records',
      );
      const { removed, theirs } = change(name, origins);
      if (theirs[0] && !override) throw inUse(theirs[0].hostname);
      for (const { hostname } of removed) await setDomains(platform, name, without(hostname));
      for (const { hostname } of origins) await attach(platform, { hostname, service: name }, override);
      return ok(
        c,
        origins.map(({ hostname }) => domainView({ hostname, service: name })),
      );
    });
}
