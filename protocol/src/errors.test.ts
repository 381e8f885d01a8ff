import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { putSecret } from './api/secrets.ts';
import { deployPayload } from './commands/index.ts';
import { explain } from './errors.ts';
import { DEPLOY_BYTES_MAX } from './limits.ts';
import { siteConfig } from './site/config.ts';
import { editedConfig } from './site/edited.ts';

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

describe('a deployment', () => {
  const deployment = (more: object) => ({
    ...{ name: 'w', mainModule: 'a.js', compatibilityDate: '2026-01-01', modules: { 'a.js': '' } },
    ...more,
  });
  const steps = (...percentages: number[]) =>
    deployment({ strategy: { type: 'gradual', steps: percentages, bakeMs: 0, healthCheck: { path: '/' } } });

  it('whose shares cannot add up to 100 is refused', () => {
    for (const step of [1e-9, 33.33333, 0.0001])
      expect(why(deployPayload, steps(step, 100))).toBe('strategy.steps[0]: expected at most 3 decimals');
    expect(why(deployPayload, steps(0.001, 12.345, 33.333, 99.999, 100))).toBe('taken');
  });

  it('is as large as its bytes, whatever they write', () => {
    const half = '€'.repeat(DEPLOY_BYTES_MAX / 2);
    expect(why(deployPayload, deployment({ modules: { 'a.js': half } }))).toMatch(
      /^modules: expected at most/,
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

  const queue = (accepted: object) => config({ offline: 'queue', accepted });
  it.each([
    [
      'a location with a line’s end',
      queue({ location: 'https://x/\r\nA: b' }),
      'routes[0].accepted.location',
    ],
    ['a content type with one', queue({ contentType: 'text/html\nA: b' }), 'routes[0].accepted.contentType'],
    [
      'a header for CORS that is none',
      config({ cors: { origins: ['*'], headers: ['a: b'] } }),
      'routes[0].cors.headers[0]',
    ],
    ['a variable without a name', config({}, { worker: { vars: { '': 'x' } } }), 'worker.vars.'],
    ['a variable’s name with a dash', config({}, { worker: { vars: { 'a-b': 'x' } } }), 'worker.vars.a-b'],
  ])('with %s, which would fail when it is used, is refused', (_what, value, place) => {
    expect(why(editedConfig, value).split(': ')[0]).toBe(place);
    expect(why(siteConfig, value)).toBe('taken');
  });
});
