import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EntryToEdge, edgeCodec, Failure, Outbox } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { Events, type NewEvent } from './events.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW = Date.parse('2026-11-01T10:00:00.000Z');

/** A control log with room for so many entries. */
class SmallOutbox {
  room = Number.POSITIVE_INFINITY;
  readonly log: Outbox;

  constructor(log: Outbox) {
    this.log = log;
  }

  appendAll(bodies: readonly string[]): number {
    if (bodies.length > this.room) throw new Failure('log_full', 'the control log is full');
    this.room -= bodies.length;
    return this.log.appendAll(bodies);
  }

  get projected(): number {
    return this.log.projected;
  }
}

function build(db = new Sqlite(':memory:')) {
  const sql = createSql(db);
  for (const migrate of MIGRATIONS) migrate(sql);
  const clock = { now: NOW };
  const now = () => clock.now;
  const outbox = new SmallOutbox(new Outbox({ sql, log: 'control', now, newLogId: () => 'log-of-test' }));
  return { sql, clock, outbox, events: new Events({ sql, outbox, now, random: randomBytes }) };
}
type Bench = ReturnType<typeof build>;

const applied = (generation: number, siteId = 'shop'): NewEvent => ({
  type: 'config_change',
  siteId,
  data: { generation },
});

/** What is on its way to the edge, in order. */
function sent({ outbox }: Bench): EntryToEdge[] {
  outbox.log.resume(0);
  const batches = [];
  for (let batch = outbox.log.nextBatch(); batch.length > 0; batch = outbox.log.nextBatch()) {
    batches.push(...batch);
    outbox.log.acknowledge(batch.at(-1)?.seq ?? 0);
  }
  return batches.map(({ body }) => {
    const decoded = edgeCodec.decodeEntry(body);
    return 'body' in decoded ? decoded.body : expect.fail(decoded.error);
  });
}
const generationsIn = (entries: EntryToEdge[]) =>
  entries.map((entry) => (entry.type === 'sync_event' ? entry.event.data['generation'] : undefined));

let bench: Bench;
beforeEach(() => {
  bench = build();
});

describe('an event', () => {
  it('is an entry of the control log and a row here, under one id, with the time in UTC', () => {
    bench.events.record(applied(1));
    const [event] = bench.events.list({ limit: 10 }).items;
    const shape = {
      type: 'config_change',
      siteId: 'shop',
      data: { generation: 1 },
      createdAt: '2026-11-01T10:00:00.000Z',
      syncedToWorkers: false,
    };
    expect(event).toEqual({ ...shape, id: expect.stringMatching(/^evt_[0-9a-z]{22}$/) });
    expect(sent(bench)).toEqual([{ type: 'sync_event', id: event?.id, event: shape }]);
  });

  it('is undone with the fact whose transaction fails', () => {
    const { sql, events } = bench;
    expect(() =>
      sql.transaction(() => {
        events.record(applied(1));
        throw new Error('the fact failed');
      }),
    ).toThrow('the fact failed');
    expect([events.list({ limit: 10 }).items, sent(bench)]).toEqual([[], []]);
  });

  it('costs its fact no commit more', () => {
    const dir = mkdtempSync(join(tmpdir(), 'events-'));
    const statements: string[] = [];
    const db = new Sqlite(join(dir, 'a.db'), { verbose: (text) => statements.push(String(text)) });
    onTestFinished(() => {
      db.close();
      rmSync(dir, { recursive: true });
    });
    const { sql, events } = build(db);
    statements.length = 0;
    sql.transaction(() => {
      sql.run(`INSERT INTO meta VALUES ('fact', '1')`);
      events.record(applied(1));
    });
    expect(statements.filter((text) => /^(BEGIN|COMMIT)/.test(text))).toEqual(['BEGIN IMMEDIATE', 'COMMIT']);
  });

  it('counts as synced when its entry is in D1, and not before', () => {
    bench.events.recordAll([applied(1), applied(2), applied(3)]);
    sent(bench);
    bench.outbox.log.project(2);
    const { items } = bench.events.list({ limit: 10 });
    expect(items.map(({ syncedToWorkers }) => syncedToWorkers)).toEqual([false, true, true]);
  });
});

describe('the list', () => {
  it('has the newest first, page by page, by site and by type', () => {
    const { events } = bench;
    events.recordAll([1, 2, 3, 4, 5].map((generation) => applied(generation, generation % 2 ? 'a' : 'b')));
    events.record({ type: 'health_check', siteId: 'a', data: { generation: 6 } });
    const seen: unknown[] = [];
    let after: number | undefined;
    do {
      const { items, next } = events.list({ after, limit: 4 });
      seen.push(...items.map(({ data }) => data['generation']));
      after = next === null ? undefined : Number(next);
    } while (after !== undefined);
    expect(seen).toEqual([6, 5, 4, 3, 2, 1]);
    const ofSite = events.list({ site: 'a', type: 'config_change', limit: 10 }).items;
    expect(ofSite.map(({ data }) => data['generation'])).toEqual([5, 3, 1]);
  });
});

describe('while the log is full', () => {
  it('no event is lost, and none passes another: they follow when there is room', () => {
    const { events, outbox } = bench;
    outbox.room = 1;
    for (const generation of [1, 2, 3]) events.record(applied(generation));
    expect(events.list({ limit: 10 }).items).toHaveLength(3);
    outbox.room = Number.POSITIVE_INFINITY;
    events.record(applied(4));
    expect(generationsIn(sent(bench))).toEqual([1]);
    expect(events.drain()).toBe(3);
    expect(generationsIn(sent(bench))).toEqual([1, 2, 3, 4]);
    expect(events.drain()).toBe(0);
  });

  it('one that waits is not synced, and an ordinary failure still fails the fact', () => {
    const { events, outbox, sql } = bench;
    outbox.room = 0;
    events.record(applied(1));
    outbox.log.project(100);
    expect(events.list({ limit: 1 }).items[0]?.syncedToWorkers).toBe(false);
    events.drain();
    sql.run(`DELETE FROM events`);
    outbox.appendAll = () => {
      throw new Error('disk I/O error');
    };
    expect(() => events.record(applied(2))).toThrow('disk I/O error');
  });

  it('whatever the room and whenever it is drained, the edge gets every event once and in order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('record' as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('room' as const), count: fc.integer({ min: 0, max: 6 }) }),
      fc.record({ kind: fc.constant('drain' as const), count: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const tried = build();
        let last = 0;
        for (const { kind, count } of steps) {
          if (kind === 'record') tried.events.recordAll(Array.from({ length: count }, () => applied(++last)));
          else if (kind === 'room') tried.outbox.room = count;
          else tried.events.drain();
        }
        tried.outbox.room = Number.POSITIVE_INFINITY;
        tried.events.drain();
        expect(generationsIn(sent(tried))).toEqual(Array.from({ length: last }, (_, index) => index + 1));
      }),
      { numRuns: 100 },
    );
  });
});

describe('the upkeep', () => {
  it('forgets what is in D1 and a week old, and keeps what is only one of the two', () => {
    const { events, outbox, clock } = bench;
    events.recordAll([applied(1), applied(2)]);
    sent(bench);
    outbox.log.project(1);
    clock.now += 7 * DAY_MS;
    events.record(applied(3));
    events.prune();
    expect(events.list({ limit: 10 }).items).toHaveLength(3);
    clock.now += 1;
    events.prune();
    expect(events.list({ limit: 10 }).items.map(({ data }) => data['generation'])).toEqual([3, 2]);
  });
});
