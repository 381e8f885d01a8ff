import { z } from 'zod';
import { secretName } from '../ids.ts';
import { json } from '../json.ts';
import { CONFIG_BYTES_MAX, PARCEL_KEPT_MS_MAX, PUBLIC_CONFIG_BYTES_MAX } from '../limits.ts';

const pathPattern = z
  .string()
  .max(256)
  .regex(/^\/[^?#\s*]*\*?$/, 'expected a path that begins with "/", with "*" only at its end');

const upstream = z
  .string()
  .max(2_048)
  .regex(
    /^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/,
    'expected http(s)://host[:port][/path], without user, query or fragment',
  );

const httpMethod = z.string().regex(/^[A-Z]+$/, 'expected an HTTP method in capitals');

const origin = z.union([
  z.literal('*'),
  z.string().regex(/^https?:\/\/[^\s/]+$/, 'expected an origin or "*"'),
]);

/** The answer a queued request is given instead of the plain receipt, as forms and shops expect theirs. */
const accepted = z.strictObject({
  status: z.int().min(200).max(399).default(202),
  location: z.string().max(2_048).optional(),
  contentType: z.string().max(200).optional(),
  body: z.string().max(8_192).optional(),
});

const cors = z.strictObject({
  origins: z.array(origin).min(1).max(50),
  headers: z.array(z.string().max(100)).max(50).optional(),
  maxAgeS: z.int().min(0).max(86_400).optional(),
});

export const headerName = z
  .string()
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'expected the name of a header');
/** A header is a list divided by commas: signatures and the like are its elements. */
const elementPrefix = z
  .string()
  .max(50)
  .regex(/^[^,]*$/, 'expected no comma');

/** Where a signature is, how it is written, and with which of the site's secrets it was made. */
const signed = {
  header: headerName,
  encoding: z.enum(['hex', 'base64']),
  prefix: elementPrefix.optional(),
  secretRef: secretName,
};

const timestamp = z
  .strictObject({
    /** A header of its own that holds it … */
    header: headerName.optional(),
    /** … or how the element of the signature's header begins that does. */
    prefix: elementPrefix.min(1).optional(),
    /** What was signed. */
    signed: z
      .string()
      .regex(
        /^[^{}]{0,50}\{timestamp\}[^{}]{0,50}\{body\}$/,
        'expected text with {timestamp} and, at its end, {body}',
      )
      .default('{timestamp}.{body}'),
    /** A request that is older is taken for a repeated one. */
    toleranceS: z.int().min(1).max(3_600).default(300),
  })
  .refine(({ header, prefix }) => (header === undefined) !== (prefix === undefined), {
    error: 'expected either a header or a prefix',
  });

/**
 * How senders sign requests. `hmac-sha256`: the body as it came (Shopify, GitHub). `hmac-sha256-timestamped`: the body
 * with the Unix time in seconds, so that one that was overheard cannot be sent again later (Stripe, Slack).
 */
const verify = z.discriminatedUnion('scheme', [
  z.strictObject({ scheme: z.literal('hmac-sha256'), ...signed }),
  z.strictObject({ scheme: z.literal('hmac-sha256-timestamped'), ...signed, timestamp }),
]);
export type Verify = z.infer<typeof verify>;

/** What the customer gets while the upstream cannot answer. */
export const offline = z.enum(['queue', 'stale', 'unavailable']);

export const route = z.strictObject({
  path: pathPattern,
  upstream,
  methods: z.array(httpMethod).min(1).max(20).optional(),
  offline: offline.default('unavailable'),
  respond: z.enum(['upstream', 'accepted']).optional(),
  accepted: accepted.optional(),
  cors: cors.optional(),
  timeoutMs: z.int().min(100).max(120_000).optional(),
  maxAgeMs: z
    .int()
    .min(1_000)
    .max(30 * 24 * 3_600_000)
    .optional(),
  verify: verify.optional(),
});
export type Route = z.infer<typeof route>;

/** So many at once, and again as many spread evenly over each period. */
const limit = z.strictObject({
  requests: z.int().min(1).max(1_000_000),
  periodS: z.int().min(1).max(3_600),
});
export type Limit = z.infer<typeof limit>;

/**
 * How many requests a site takes: from all customers together, and from each of their addresses. With `secretRef`, a
 * Worker in front of the site says whose request it is, signed with that secret of the site (`VISITOR_HEADER`); without,
 * all that one Worker sends are one customer's.
 */
const limits = z.strictObject({
  site: limit.optional(),
  customer: limit.extend({ secretRef: secretName.optional() }).optional(),
});
export type Limits = z.infer<typeof limits>;

/**
 * What a site's own Worker and pages are to know. **Everyone can read it**, without a token, at
 * `GET /api/v1/sites/:id/config/public`: nothing in it is a secret.
 */
export const publicConfig = z
  .record(z.string().min(1).max(200), json)
  .refine((members) => JSON.stringify(members).length <= PUBLIC_CONFIG_BYTES_MAX, {
    error: `expected at most ${PUBLIC_CONFIG_BYTES_MAX} characters of JSON`,
  });
export type PublicConfig = z.infer<typeof publicConfig>;

/** A site's desired config. Unknown members are refused: a typing error must not look applied. */
export const siteConfig = z
  .strictObject({
    routes: z.array(route).max(200).default([]),
    worker: z
      .strictObject({ vars: z.record(z.string().max(200), z.string().max(5_120)).default({}) })
      .default({ vars: {} }),
    limits: limits.optional(),
    public: publicConfig.optional(),
    /** Of requests that were stored: how long what customers sent is kept behind its end. 7 days unless it says so. */
    receipts: z.strictObject({ keepMs: z.int().min(0).max(PARCEL_KEPT_MS_MAX) }).optional(),
  })
  .refine((config) => new Set(config.routes.map(routeKey)).size === config.routes.length, {
    path: ['routes'],
    error: 'two routes have the same path and methods',
  })
  .refine((config) => JSON.stringify(config).length <= CONFIG_BYTES_MAX, {
    error: `expected at most ${CONFIG_BYTES_MAX} characters of JSON`,
  });
export type SiteConfig = z.infer<typeof siteConfig>;

/** The config of a site that nobody has configured yet: generation 0. */
export const EMPTY_CONFIG: SiteConfig = { routes: [], worker: { vars: {} } };

function routeKey(entry: { path: string; methods?: string[] | undefined }): string {
  return `${entry.path} ${[...(entry.methods ?? [])].sort().join(',')}`;
}
