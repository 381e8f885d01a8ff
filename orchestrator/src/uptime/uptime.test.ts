import { type Sql, type WorkerStatus, workerStatus } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { NewEvent } from '../sync/index.ts';
import { Uptime } from './uptime.ts';
import type { Visit } from './visit.ts';

const never = new AbortController().signal;
const FIVE_MINUTES_MS = 300_000;
const FINE: Visit = { status: 200, latencyMs: 20, version: 'v-1', certificateDays: 60 };
const SICK: Visit = { status: 500, latencyMs: 9 };

let clock: ManualClock;
let sql: Sql;
let events: NewEvent[];
let workers: WorkerStatus[];
/** What is found at each address. */
let found: Record<string, Visit>;
let visited: string[];

const worker = (name: string, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  ...{ name, siteId: 'shop', url: `https://${name}.example`, versionId: 'v-1', state: 'deployed', at: 1 },
  ...more,
});

beforeEach(() => {
  clock = new ManualClock();
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  [events, workers, visited] = [[], [worker('tracker')], []];
  found = { 'https://tracker.example': FINE };
});

const uptime = () =>
  new Uptime({
    clock,
    sql,
    log: recordingLogger().log,
    events: { record: (event) => void events.push(event) },
    workers: (siteId) => workers.filter((one) => siteId === undefined || one.siteId === siteId),
    visit: async (url) => {
      visited.push(url);
      return found[url] ?? { error: 'connect ECONNREFUSED' };
    },
  });

/** A round, in which each failure's pause passes. */
async function round(of: Uptime, signal = never): Promise<boolean> {
  clock.pass(FIVE_MINUTES_MS);
  let isOver = false;
  const over = of.check(signal).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise(setImmediate);
    clock.pass(5_000);
  }
  return over;
}
const said = () => events.map(({ siteId, data }) => `${siteId} ${data['worker']} ${data['status']}`);
const health = (of: Uptime, name = 'tracker') => of.workers().find((one) => one.name === name)?.health;

describe('a Worker’s health', () => {
  it('is seen as a customer sees it, kept, and no event while it stays as it is', async () => {
    const watch = uptime();
    expect(await round(watch)).toBe(false);
    expect(await round(watch)).toBe(false);
    expect(events).toEqual([]);
    expect(health(watch)).toMatchObject({ ok: true, ...FINE, looks: 2, good: 2 });
    expect(watch.checks('tracker')).toHaveLength(2);
    expect(watch.workers().map((one) => workerStatus.parse(one))).toEqual(watch.workers());
  });

  it('is unhealthy when two looks fail, and healthy again after a good one: each told once', async () => {
    const watch = uptime();
    found['https://tracker.example'] = SICK;
    expect(await round(watch)).toBe(true);
    expect(await round(watch)).toBe(false);
    expect(visited).toHaveLength(3);
    found['https://tracker.example'] = FINE;
    expect(await round(watch)).toBe(true);
    const check = { name: 'Worker tracker', ok: false, status: 500, latencyMs: 9, detail: 'it answered 500' };
    const fine = { name: 'Worker tracker', ok: true, ...FINE };
    const of = { type: 'health_check', siteId: 'shop' };
    expect(events).toEqual([
      { ...of, data: { status: 'unhealthy', worker: 'tracker', checks: [check] } },
      { ...of, data: { status: 'healthy', worker: 'tracker', checks: [fine] } },
    ]);
    expect(health(watch)).toMatchObject({ looks: 3, good: 1 });
  });

  it('is not said again by the process that follows, which knows what was seen', async () => {
    found['https://tracker.example'] = SICK;
    await round(uptime());
    const next = uptime();
    expect(health(next)).toMatchObject({ ok: false, detail: 'it answered 500', looks: 1 });
    await round(next);
    expect(said()).toEqual(['shop tracker unhealthy']);
  });

  it.each([
    ['an answer of its own: who answers 404 is alive', { status: 404 }, undefined],
    ['an error of its own', { status: 500 }, 'it answered 500'],
    ['a certificate that holds for a week', { status: 200, certificateDays: 7 }, undefined],
    ['one that ends sooner', { status: 200, certificateDays: 6 }, 'its certificate ends in 6 days'],
    ['an error of Cloudflare’s', { status: 530 }, 'it answered 530'],
    ['no answer', { error: 'no answer within 10 s' }, 'no answer within 10 s'],
  ])('is judged by %s', async (_what, visit, detail) => {
    found['https://tracker.example'] = visit;
    const watch = uptime();
    await round(watch);
    expect(health(watch)).toMatchObject({ ok: detail === undefined });
    expect(health(watch)?.detail).toBe(detail);
  });

  it.each([
    ['the status that is right there', { status: 204 }, undefined],
    ['another one, though it is alive', { status: 404 }, 'it answered 404 at /up, where 204 is right'],
  ])('is judged where its deployment says by %s', async (_what, visit, detail) => {
    workers = [worker('tracker', { lookedAt: { path: '/up', status: 204 } })];
    found = { 'https://tracker.example/up': visit };
    const watch = uptime();
    await round(watch);
    expect(health(watch)).toMatchObject({ ok: detail === undefined });
    expect(health(watch)?.detail).toBe(detail);
  });

  it.each(['//10.0.0.1/', '/\\10.0.0.1/', '/\t/10.0.0.1/'])(
    'is looked at on its own host, whatever the path is: %j',
    async (path) => {
      workers = [worker('tracker', { lookedAt: { path, status: 200 } })];
      await round(uptime());
      expect(new Set(visited.map((url) => new URL(url).hostname))).toEqual(new Set(['tracker.example']));
    },
  );

  it('bears one failure: a second look follows after five seconds', async () => {
    const watch = uptime();
    found['https://tracker.example'] = SICK;
    const over = watch.check(never);
    await new Promise(setImmediate);
    expect(clock.timers).toBe(1);
    found['https://tracker.example'] = FINE;
    clock.pass(5_000);
    expect(await over).toBe(false);
    expect(events).toEqual([]);
  });
});

describe('a round', () => {
  it('outlives a deployment that a round falls into', async () => {
    const watch = uptime();
    await round(watch);
    workers = [worker('tracker', { state: 'deploying' })];
    await round(watch);
    expect(visited).toHaveLength(1);
    workers = [worker('tracker')];
    await round(watch);
    expect(watch.checks('tracker')).toHaveLength(2);
  });

  it('passes over what is not there to be asked, and forgets what is gone', async () => {
    const watch = uptime();
    await round(watch);
    workers = [
      worker('nobodys', { siteId: undefined }),
      worker('in-namespace', { url: '' }),
      worker('half-done', { state: 'deploying' }),
    ];
    visited = [];
    await round(watch);
    expect([visited, watch.checks('tracker'), events]).toEqual([[], [], []]);
  });

  it('keeps a bounded history of each Worker', async () => {
    const watch = uptime();
    for (let n = 0; n < 100; n++) await round(watch);
    expect(watch.checks('tracker')).toHaveLength(96);
    expect(health(watch)?.looks).toBe(96);
    expect(watch.checks('tracker')[0]?.at).toBe(health(watch)?.at);
  });

  it('asks all, and tells each site of its own alone', async () => {
    workers = Array.from({ length: 40 }, (_, n) => worker(`w${n}`, { siteId: `site-${n}` }));
    found = Object.fromEntries(workers.map(({ name, url }) => [url ?? '', name === 'w17' ? SICK : FINE]));
    await round(uptime());
    expect(new Set(visited).size).toBe(40);
    expect(said()).toEqual(['site-17 w17 unhealthy']);
  });

  it('that is stopped says nothing more', async () => {
    found = {};
    expect(await round(uptime(), AbortSignal.abort())).toBe(false);
    expect(events).toEqual([]);
  });
});
