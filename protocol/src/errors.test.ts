import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { putSecret } from './api/secrets.ts';
import { explain } from './errors.ts';
import { editedConfig, siteConfig } from './site/config.ts';

const why = (schema: z.ZodType, value: unknown): string => {
  const { error } = schema.safeParse(value);
  return error === undefined ? 'taken' : explain(error);
};
const ROUTE = { path: '/*', upstream: 'http://127.0.0.1' };
const config = (route: object, more: object = {}) => ({ routes: [{ ...ROUTE, ...route }], ...more });

describe('an unknown member', () => {
  it.each([
    ['of a route', config({ offlne: 'queue' }), 'routes[0].offlne: unknown; did you mean offline?'],
    ['of the whole', config({}, { routs: [] }), 'routs: unknown; did you mean routes?'],
    [
      'in another case',
      config({ timeoutMS: 1_000 }),
      'routes[0].timeoutMS: unknown; did you mean timeoutMs?',
    ],
    [
      'of a variant',
      config({ verify: { scheme: 'hmac-sha256', header: 'x', encoding: 'hex', secretref: 'a' } }),
      /^routes\[0\]\.verify\.secretRef: .*missing; routes\[0\]\.verify\.secretref: unknown; did you mean secretRef\?$/,
    ],
  ])('%s is refused with the one that is near', (_what, value, expected) => {
    const said = why(siteConfig, value);
    if (typeof expected === 'string') expect(said).toBe(expected);
    else expect(said).toMatch(expected);
  });

  it('is refused with all that are known when none is near', () => {
    const expected = 'colour: unknown; known are routes, worker, limits, public, receipts';
    expect(why(siteConfig, config({}, { colour: 1 }))).toBe(expected);
    expect(why(z.strictObject({}), { x: 1 })).toBe('x: unknown; leave it out');
  });

  it('is named together with the others', () => {
    expect(why(siteConfig, config({}, { a: 1, b: 2 }))).toMatch(/^a: unknown; and so are b; known are/);
  });
});

describe('an amount that is too small or too large', () => {
  it.each([
    [
      config({}, { limits: { site: { requests: -1, periodS: 1 } } }),
      'limits.site.requests: expected at least 1',
    ],
    [config({ timeoutMs: 999_999 }), 'routes[0].timeoutMs: expected at most 120000'],
    [config({ methods: [] }), 'routes[0].methods: expected at least 1 item'],
  ])('is said with what is taken: %o', (value, expected) => {
    expect(why(siteConfig, value)).toBe(expected);
  });

  it('of a secret says what to do instead', () => {
    expect(why(putSecret, { value: '' })).toBe(
      'value: expected at least 1 character: delete the secret to have none',
    );
  });
});

describe('an edit', () => {
  it.each(['stale', 'unavailable'])(
    'that gives an answer for stored requests where offline is %s',
    (offline) => {
      for (const member of [{ respond: 'accepted' }, { accepted: { status: 201 } }]) {
        const [name] = Object.keys(member);
        expect(why(editedConfig, config({ offline, ...member }))).toBe(
          `routes[0].${name}: has no effect with offline: "${offline}", where no request is stored: leave it out, or set offline to "queue"`,
        );
        // What was stored before this rule is still read.
        expect(why(siteConfig, config({ offline, ...member }))).toBe('taken');
      }
      expect(why(editedConfig, config({ offline: 'queue', respond: 'accepted' }))).toBe('taken');
    },
  );
});
