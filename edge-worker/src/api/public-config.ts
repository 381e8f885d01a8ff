import { Failure } from '@clawdbot/protocol';
import type { getPublicConfigRoute } from '@clawdbot/protocol/routes';
import { refuseFlood } from '../relay/rate.ts';
import type { ApiHandler } from './env.ts';

/** Caches in between add no more to the two seconds that an isolate's own takes (data/public-configs.ts). */
const MAX_AGE_S = 2;

/**
 * What everyone may read of a site's config, without a token. An edit is answered here at most 4 s after it was taken:
 * 2 s in this isolate, 2 s in a cache on the way. No D1 once this isolate knows the site.
 */
export const getPublicConfig: ApiHandler<typeof getPublicConfigRoute> = async (c) => {
  const { services } = c.env;
  const { id } = c.req.valid('param');
  await refuseFlood(services.relayRate, id, c.req.raw.headers);
  const site = await services.directory.site(id, services);
  const part = site === undefined ? undefined : await services.publicConfigs.get(site, services);
  if (part === undefined) throw new Failure('not_found', `no site "${id}"`);
  const etag = `"${part.digest}"`;
  c.header('etag', etag);
  c.header('cache-control', `public, max-age=${MAX_AGE_S}`);
  c.header('access-control-allow-origin', '*');
  if (matches(c.req.header('if-none-match'), etag)) return c.body(null, 304);
  return c.body(part.body, 200, { 'content-type': 'application/json' });
};

/** RFC 9110 §13.1.2: a list of tags, compared weakly, since a cache on the way may have weakened ours. */
const matches = (asked: string | undefined, etag: string): boolean =>
  asked?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false;
