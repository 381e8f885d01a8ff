import { Outbox } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { LeaseLost } from '../store/index.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { type Check, HealthWatch, type HealthWatchOptions, type NewEvent, type SiteNeeds } from './index.ts';

const UP = 'http://127.0.0.1:4000';
const OTHER = 'http://127.0.0.1:5000';
/** Longer than the time between two looks. */
const A_WHILE_MS = 31_000;

let clock: ManualClock;
let sql: ReturnType<typeof createSql>;
let events: NewEvent[];
let down: Set<string>;
let looked: string[];
let sites: SiteNeeds[];
let machine: Check[];

beforeEach(() => {
  clock = new ManualClock();
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  events = [];
  down = new Set();
  looked = [];
  sites = [{ siteId: 'shop', origins: [UP] }];
  machine = [];
});

function watch(more: Partial<HealthWatchOptions> = {}) {
  const { log, lines } = recordingLogger();
  const watched = new HealthWatch({
    clock,
    random: () => 0,
    log,
    sql,
    events: { record: (event) => void events.push(event) },
    sites: () => sites,
    machine: () => machine,
    look: async (origin) => {
      looked.push(origin);
      return { name: origin, ok: !down.has(origin) };
    },
    onRecorded: () => {},
    onLeaseLost: (error) => expect.fail(String(error)),
    ...more,
  });
  watched.start();
  onTestFinished(() => watched.stop());
  return { watched, lines };
}

/** Lets one look come, and come to its end: what it awaits is settled within the turn. */
async function look(): Promise<void> {
  const timers = clock.timers;
  clock.pass(A_WHILE_MS);
  await expect.poll(() => clock.timers).toBe(timers);
}
const said = () => events.map(({ siteId, data }) => `${siteId} ${String(data['status'])}`);

describe('the health of a site', () => {
  it('is no event while it stays as it is, and none for one that is healthy from the start', async () => {
    watch();
    for (let n = 0; n < 5; n++) await look();
    expect([looked.length, events, clock.timers]).toEqual([5, [], 1]);
  });

  it('is unhealthy after two failures in a row, and healthy again after one success', async () => {
    watch();
    down.add(UP);
    await look();
    expect(events).toEqual([]);
    await look();
    await look();
    down.clear();
    await look();
    await look();
    expect(events).toEqual([
      {
        type: 'health_check',
        siteId: 'shop',
        data: { status: 'unhealthy', checks: [{ name: UP, ok: false }] },
      },
      { type: 'health_check', siteId: 'shop', data: { status: 'healthy', checks: [{ name: UP, ok: true }] } },
    ]);
  });

  it('is looked at again after five seconds when it failed once', async () => {
    watch();
    down.add(UP);
    await look();
    clock.pass(5_000);
    await expect.poll(said).toEqual(['shop unhealthy']);
  });

  it('does not flap with an upstream that fails every other time', async () => {
    watch();
    for (let n = 0; n < 6; n++) {
      if (n % 2 === 0) down.add(UP);
      else down.clear();
      await look();
    }
    expect(events).toEqual([]);
  });

  it('takes all of its upstreams and this machine together, each upstream looked at once', async () => {
    sites = [
      { siteId: 'a', origins: [UP, OTHER, UP] },
      { siteId: 'b', origins: [UP] },
    ];
    down.add(OTHER);
    machine = [{ name: 'tunnel', ok: true }];
    watch();
    await look();
    await look();
    expect(looked).toEqual([UP, OTHER, UP, OTHER]);
    const tunnel = { name: 'tunnel', ok: true };
    expect(events).toMatchObject([
      { siteId: 'a', data: { checks: [{ name: OTHER, ok: false }, { name: UP, ok: true }, tunnel] } },
    ]);
    down.clear();
    machine = [{ name: 'tunnel', ok: false, detail: 'cloudflared does not answer' }];
    await look();
    await look();
    expect(said()).toEqual(['a unhealthy', 'b unhealthy']);
  });

  it('is not said again by the process that follows', async () => {
    down.add(UP);
    const { watched } = watch();
    await look();
    await look();
    await watched.stop();
    watch();
    await look();
    await look();
    down.clear();
    await look();
    expect(said()).toEqual(['shop unhealthy', 'shop healthy']);
  });

  it('is nobody’s business without routes, and is forgotten with its site', async () => {
    sites = [{ siteId: 'shop', origins: [] }];
    machine = [{ name: 'storage', ok: false }];
    watch();
    await look();
    await look();
    expect([looked, events]).toEqual([[], []]);
    sites = [{ siteId: 'shop', origins: [UP] }];
    await look();
    await look();
    sites = [];
    await look();
    expect(sql.run(`SELECT * FROM unhealthy_sites`)).toEqual([]);
    expect(said()).toEqual(['shop unhealthy']);
  });
});

describe('the watch', () => {
  it('says nothing that is not written down, and says it when it can be', async () => {
    let full = true;
    const outbox = new Outbox({ sql, log: 'control', now: clock.now, newLogId: () => 'log-of-test' });
    const record = (event: NewEvent) => {
      outbox.append(JSON.stringify(event));
      if (full) throw new Error('database or disk is full');
    };
    const { lines } = watch({ events: { record } });
    down.add(UP);
    for (let n = 0; n < 3; n++) await look();
    expect([outbox.depth, sql.run(`SELECT * FROM unhealthy_sites`)]).toEqual([0, []]);
    expect(lines.join('')).toMatch(/could not be recorded.*disk is full/);
    full = false;
    await look();
    await look();
    expect(outbox.depth).toBe(1);
  });

  it('ends when a newer process has taken over, and when it is stopped', async () => {
    const lost: LeaseLost[] = [];
    const sitesOfAnother = () => {
      throw new LeaseLost('a newer process has taken over');
    };
    const { watched } = watch({ sites: sitesOfAnother, onLeaseLost: (error) => void lost.push(error) });
    clock.pass(A_WHILE_MS);
    await expect.poll(() => lost).toHaveLength(1);
    expect(clock.timers).toBe(0);
    const other = watch().watched;
    await Promise.all([watched.stop(), other.stop()]);
    expect(clock.timers).toBe(0);
  });

  it('leaves a look that is under way when it is stopped', async () => {
    const { promise: never } = Promise.withResolvers<Check>();
    const hanging = (_origin: string, signal: AbortSignal) =>
      Promise.race([
        never,
        new Promise<Check>((resolve) =>
          signal.addEventListener('abort', () => resolve({ name: UP, ok: false }), { once: true }),
        ),
      ]);
    const { watched } = watch({ look: hanging });
    clock.pass(A_WHILE_MS);
    await watched.stop();
    expect([events, clock.timers]).toEqual([[], 0]);
  });
});
