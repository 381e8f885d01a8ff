import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { Failure, type HeaderList } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import type { RelayReply, SiteCall } from './relay-rpc.ts';
import { Stale } from './stale.ts';
import { objectSql } from './store.ts';

let count = 0;

/** Kept answers in an object of their own, with a clock that the test holds. */
function withStale(
  test: (parts: ReturnType<typeof build>) => Promise<void>,
  bounds: { rowsMax?: number; bytesMax?: number } = {},
) {
  return runInDurableObject(env.CHANNEL.getByName(`stale-${++count}/0`), (_, { storage }) =>
    test(build(storage, bounds)),
  );
}

function build(storage: DurableObjectStorage, bounds: { rowsMax?: number; bytesMax?: number }) {
  const clock = { now: 1_000_000 };
  const stale = new Stale({ sql: objectSql(storage), storage: storage.sql, now: () => clock.now, ...bounds });
  const call = (url: string, headers: HeaderList, method: string): SiteCall => ({
    ...{ requestId: 'r', target: 'upstream', siteId: 'shop', body: null, deadlineMs: 1_000 },
    ...{ url, headers, method },
  });
  const answered = (
    url: string,
    reply: Partial<RelayReply> & { text?: string },
    headers: HeaderList = [],
    method = 'GET',
  ) => {
    const { text = 'body', ...more } = reply;
    const body = new TextEncoder().encode(text);
    return stale.relay(call(url, headers, method), async () => ({ status: 200, headers: [], body, ...more }));
  };
  const unanswered = async (
    url: string,
    headers: HeaderList = [],
    method = 'GET',
    code: 'orchestrator_away' | 'too_large' = 'orchestrator_away',
  ) => {
    const ask = () => Promise.reject(new Failure(code, 'x'));
    const reply = await stale.relay(call(url, headers, method), ask).catch((error: Failure) => error.code);
    if (typeof reply === 'string') return reply;
    const age = reply.headers.find(([name]) => name === 'age')?.[1];
    return `${new TextDecoder().decode(reply.body instanceof Uint8Array ? reply.body : undefined)} ${age}`;
  };
  return { stale, clock, answered, unanswered };
}

describe('the last good answer to a GET', () => {
  it('is of the host that it was given for', () =>
    withStale(async ({ answered, unanswered }) => {
      const one: HeaderList = [['x-forwarded-host', 'one.example']];
      await answered('/a', { text: 'links to one' }, one);
      expect(await unanswered('/a', [['x-forwarded-host', 'other.example']])).toBe('orchestrator_away');
      expect(await unanswered('/a', one)).toBe('links to one 0');
    }));

  it('is served, with its age, while the upstream cannot answer, and only then', () =>
    withStale(async ({ answered, unanswered, clock }) => {
      await answered('/a?b', { text: 'one', headers: [['age', '7']] });
      clock.now += 61_500;
      expect(await unanswered('/a?b')).toBe('one 61');
      expect((await answered('/a?b', { text: 'two!' })).headers).toEqual([]);
      expect(await unanswered('/a?b')).toBe('two! 0');
      expect(await unanswered('/a')).toBe('orchestrator_away');
    }));

  it('stands in for an upstream’s 5xx, not for its 404, nor for a refusal of ours', () =>
    withStale(async ({ answered, unanswered }) => {
      await answered('/a', {});
      expect((await answered('/a', { status: 503 })).status).toBe(200);
      expect((await answered('/a', { status: 404 })).status).toBe(404);
      expect(await unanswered('/a', [], 'GET', 'too_large')).toBe('too_large');
    }));

  it.each<[string, HeaderList]>([
    ['no-store', [['Cache-Control', 'max-age=5, No-Store']]],
    ['private', [['cache-control', 'private="x-a"']]],
    ['a cookie', [['Set-Cookie', 'a=1']]],
    ['Vary: *', [['Vary', 'a, *']]],
  ])('is not kept with %s', (_, headers) =>
    withStale(async ({ answered, unanswered }) => {
      await answered('/a', { headers });
      expect(await unanswered('/a')).toBe('orchestrator_away');
    }),
  );

  it.each<[string, HeaderList, string]>([
    ['credentials', [['authorization', 'x']], 'GET'],
    ['a cookie', [['cookie', 'a=1']], 'GET'],
    ['a range', [['range', 'bytes=0-1']], 'GET'],
    ['another method', [], 'POST'],
  ])('has nothing to do with a request with %s', (_, headers, method) =>
    withStale(async ({ answered, unanswered }) => {
      await answered('/a', {}, headers, method);
      expect(await unanswered('/a')).toBe('orchestrator_away');
      await answered('/a', {});
      expect(await unanswered('/a', headers, method)).toBe('orchestrator_away');
    }),
  );

  it('is served to those who ask alike, by its Vary', () =>
    withStale(async ({ answered, unanswered }) => {
      const vary: HeaderList = [['Vary', 'Accept-Language, accept']];
      await answered('/a', { text: 'hallo', headers: vary }, [['accept-language', 'de']]);
      await answered('/a', { text: 'hello', headers: vary }, [['accept-language', 'en']]);
      expect(await unanswered('/a', [['accept-language', 'de']])).toBe('hallo 0');
      expect(
        await unanswered('/a', [
          ['accept-language', 'en'],
          ['x-other', '1'],
        ]),
      ).toBe('hello 0');
      expect(await unanswered('/a', [['accept-language', 'fr']])).toBe('orchestrator_away');
    }));

  it.each([{ rowsMax: 2 }, { bytesMax: 8 }])('makes room by what was renewed longest ago: %o', (bounds) =>
    withStale(async ({ answered, unanswered, clock }) => {
      for (const url of ['/a', '/b', '/c']) {
        await answered(url, {});
        clock.now += 1_000;
      }
      expect([await unanswered('/a'), await unanswered('/c')]).toEqual(['orchestrator_away', 'body 1']);
    }, bounds),
  );

  it('goes with its site', () =>
    withStale(async ({ stale, answered, unanswered }) => {
      await answered('/a', {});
      stale.removeSite('shop');
      expect(await unanswered('/a')).toBe('orchestrator_away');
    }));
});
