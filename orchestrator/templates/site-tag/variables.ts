import * as z from 'zod/mini';

/** What the Worker is bound to, before it was looked at. */
export interface Variables {
  readonly CF_VERSION_METADATA?: { readonly id: string };
  readonly [name: string]: unknown;
}

export const consent = z.enum(['required', 'implied']);
export type Consent = z.infer<typeof consent>;

const address = z
  .string()
  .check(z.regex(/^https?:\/\/[^\s/?#]+\/?$/, 'expected an address like https://relay.example.com'));
const origins = z.pipe(
  z._default(z.string(), ''),
  z.transform((text) =>
    text
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  ),
);

const variables = z.object({
  SITE_ID: z.string().check(z.regex(/^[a-z0-9-]{1,63}$/, 'expected a site’s id')),
  RELAY_URL: address,
  EDGE_URL: address,
  ORIGINS: origins,
  CONSENT: z._default(consent, 'required'),
  VISITOR_KEY: z.optional(z.string().check(z.minLength(1, 'expected a secret: it is empty'))),
  CF_VERSION_METADATA: z._default(z.object({ id: z.string() }), { id: '' }),
});

/** The variables, checked. */
export interface TagVariables {
  readonly siteId: string;
  readonly relayUrl: string;
  readonly edgeUrl: string;
  readonly origins: readonly string[];
  /** What holds until the site's config has been read, or when it does not say. */
  readonly consent: Consent;
  readonly version: string;
  /** With which it is signed whose lead one is; undefined: that is not said. */
  readonly visitorKey: string | undefined;
}

type Read =
  | { readonly ok: true; readonly variables: TagVariables }
  | { readonly ok: false; readonly detail: string };

const withoutSlash = (url: string): string => url.replace(/\/$/, '');

export function readVariables(env: Variables): Read {
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return {
      ok: false,
      detail: `the variable ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`,
    };
  }
  const { SITE_ID, RELAY_URL, EDGE_URL, ORIGINS, CONSENT, VISITOR_KEY, CF_VERSION_METADATA } = parsed.data;
  return {
    ok: true,
    variables: {
      siteId: SITE_ID,
      relayUrl: withoutSlash(RELAY_URL),
      edgeUrl: withoutSlash(EDGE_URL),
      origins: ORIGINS,
      consent: CONSENT,
      version: CF_VERSION_METADATA.id,
      visitorKey: VISITOR_KEY,
    },
  };
}
