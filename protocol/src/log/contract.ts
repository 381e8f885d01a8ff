import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../frames/index.ts';
import { BATCHES_IN_FLIGHT_MAX, LOG_ENTRIES_MAX, LOG_RETENTION_MS } from '../limits.ts';
import { Inbox } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { createLogTables } from './schema.ts';
import type { Sql } from './sql.ts';

/** Runs `use` with a new, empty database of the adapter under test. */
export type UseSql = <T>(use: (sql: Sql) => T) => T | Promise<T>;

let logs = 0;
const newLogId = (): string => `log-${String(++logs).padStart(8, '0')}`;

function outboxOver(sql: Sql, now = (): number => 1_000): Outbox {
  return new Outbox({ sql, log: 'control', now, newLogId });
}

function bodiesOf(inbox: Inbox): string[] {
  return inbox.pending(10_000).map((item) => item.body);
}

/** What may happen between a sender and a receiver, in any order. */
type Step =
  | { readonly do: 'append'; readonly count: number }
  | { readonly do: 'batch' }
  | { readonly do: 'deliver' | 'duplicate' | 'ack' }
  | { readonly do: 'lose' }
  | { readonly do: 'reconnect' }
  | { readonly do: 'crash'; readonly side: 'sender' | 'receiver' }
  | { readonly do: 'handle' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 30 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('batch' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'duplicate' as const, 'ack' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('handle' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      side: fc.constantFrom('sender' as const, 'receiver' as const),
    }),
  },
);

/** A sender and a receiver with a wire between them that carries whole batches, and may lose or repeat them. */
class Pair {
  readonly written: string[] = [];
  readonly handled: string[] = [];
  #outbox: Outbox;
  #inbox: Inbox;
  #wire: Entry[][] = [];
  #acked = 0;
  readonly #out: Sql;
  readonly #in: Sql;

  constructor(outSql: Sql, inSql: Sql) {
    this.#out = outSql;
    this.#in = inSql;
    this.#outbox = outboxOver(outSql);
    this.#inbox = new Inbox(inSql, 'control');
    this.reconnect();
  }

  apply(next: Step): void {
    switch (next.do) {
      case 'append':
        this.#append(next.count);
        return;
      case 'batch':
        this.#send();
        return;
      case 'deliver':
        this.#deliver(this.#wire.shift());
        return;
      case 'duplicate':
        this.#deliver(this.#wire[0]);
        return;
      case 'ack':
        this.#ack();
        return;
      case 'lose':
        this.#lose();
        return;
      case 'reconnect':
        this.reconnect();
        return;
      case 'crash':
        this.#crash(next.side);
        return;
      case 'handle':
        this.#handle();
        return;
      default:
        next satisfies never;
    }
  }

  /** What hello and welcome do. What was on the wire is gone. */
  reconnect(): void {
    this.#wire = [];
    const { logId, oldest } = this.#outbox.position();
    const { applied, resync } = this.#inbox.follow(logId, oldest);
    expect(resync).toBeUndefined();
    this.#outbox.resume(applied);
  }

  /** Lets everything arrive and be handled. */
  settle(): void {
    this.reconnect();
    for (let round = 0; this.#outbox.depth > 0; round++) {
      expect(round).toBeLessThan(10_000);
      this.#send();
      while (this.#wire.length > 0) this.#deliver(this.#wire.shift());
      this.#ack();
    }
    while (this.#inbox.depth().pending > 0) this.#handle();
  }

  #append(count: number): void {
    for (let made = 0; made < count; made++) {
      const body = `entry ${this.written.length + 1}`;
      expect(this.#outbox.append(body)).toBe(this.written.length + 1);
      this.written.push(body);
    }
  }

  #send(): void {
    const batch = this.#outbox.nextBatch();
    if (batch.length > 0) this.#wire.push(batch);
  }

  #deliver(batch: Entry[] | undefined): void {
    if (batch === undefined) return;
    const before = this.#inbox.position().applied;
    const received = this.#inbox.receive(batch);
    expect(received.ok).toBe(true);
    expect(received.applied).toBeGreaterThanOrEqual(before);
    expect(this.#inbox.position().applied).toBe(received.applied);
  }

  #ack(): void {
    const { applied } = this.#inbox.position();
    this.#outbox.acknowledge(applied);
    expect(applied).toBeGreaterThanOrEqual(this.#acked);
    this.#acked = applied;
  }

  /** Messages vanish only with their socket. When some are lost and later ones are not, the gap is found. */
  #lose(): void {
    const [lost, ...later] = this.#wire;
    const next = later[0];
    if (lost !== undefined && next !== undefined) {
      const { applied } = this.#inbox.position();
      const received = this.#inbox.receive(next);
      const skipped = (next[0]?.seq ?? 0) > applied + 1;
      expect(received.ok).toBe(!skipped);
      if (skipped) expect(this.#inbox.position().applied).toBe(applied);
    }
    this.reconnect();
  }

  #crash(side: 'sender' | 'receiver'): void {
    if (side === 'sender') this.#outbox = outboxOver(this.#out);
    else this.#inbox = new Inbox(this.#in, 'control');
    this.reconnect();
  }

  #handle(): void {
    for (const item of this.#inbox.pending(7)) {
      this.handled.push(item.body);
      this.#inbox.done(item);
    }
  }
}

/**
 * What a durable log promises, held against one adapter of the storage port: run it over each.
 * `useSql` gives each call a new, empty database.
 */
export function describeLog(adapter: string, useSql: UseSql): void {
  const withTables = <T>(use: (sql: Sql) => T) =>
    useSql((sql) => {
      createLogTables(sql);
      return use(sql);
    });

  beforeEach(() => {
    logs = 0;
  });

  describe(`durable log over ${adapter}: sender and receiver together`, () => {
    it('loses and repeats nothing, whatever is lost, repeated or restarted on the way', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          await withTables((sql) => {
            // Both halves share the tables, as they do on either side; rows are told apart by direction.
            const pair = new Pair(sql, sql);
            for (const next of steps) pair.apply(next);
            pair.settle();
            expect(pair.handled).toEqual(pair.written);
          });
        }),
        { numRuns: 60 },
      );
    });
  });

  describeOutbox(adapter, withTables);
  describeInbox(adapter, withTables);
  describePort(adapter, useSql);
}

function describeOutbox(adapter: string, use: UseSql): void {
  describe(`durable log over ${adapter}: the sender`, () => {
    it('names its log once in the life of a database', () =>
      use((sql) => {
        const first = outboxOver(sql).logId;
        expect(outboxOver(sql).logId).toBe(first);
      }));

    it('numbers entries from 1 without gaps, across a restart', () =>
      use((sql) => {
        expect([outboxOver(sql).append('a'), outboxOver(sql).append('b')]).toEqual([1, 2]);
        expect(outboxOver(sql).position()).toMatchObject({ oldest: 1, last: 2 });
      }));

    it('writes no entry when the transaction of the fact that it reports fails', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        expect(() =>
          sql.transaction(() => {
            outbox.append('a');
            throw new Error('the fact could not be written');
          }),
        ).toThrow('the fact');
        expect(outbox.position().last).toBe(0);
        expect(outbox.append('b')).toBe(1);
      }));

    it('offers entries in order, each once in a session, and again from the peer’s position in the next', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        for (const body of ['a', 'b', 'c']) outbox.append(body);
        outbox.resume(0);
        expect(outbox.nextBatch().map((entry) => entry.seq)).toEqual([1, 2, 3]);
        expect(outbox.nextBatch()).toEqual([]);
        outbox.resume(1);
        expect(outbox.nextBatch().map((entry) => entry.body)).toEqual(['b', 'c']);
      }));

    it('keeps a bounded number of batches in flight, and goes on when they are acknowledged', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        for (let sent = 0; sent < BATCHES_IN_FLIGHT_MAX; sent++) {
          outbox.append('x');
          expect(outbox.nextBatch()).toHaveLength(1);
        }
        outbox.append('one more');
        expect(outbox.nextBatch()).toEqual([]);
        outbox.acknowledge(1);
        expect(outbox.nextBatch().map((entry) => entry.body)).toEqual(['one more']);
      }));

    it('sends an entry larger than a batch alone, and never none', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        for (let made = 0; made < 6; made++) outbox.append('x'.repeat(64 * 1024));
        const sizes = [outbox.nextBatch().length, outbox.nextBatch().length];
        expect(sizes).toEqual([4, 2]);
      }));

    it('replaces an entry only before it was ever offered', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        const sent = outbox.append('sent');
        outbox.nextBatch();
        const kept = outbox.append('kept');
        expect([outbox.replace(sent, 'no'), outbox.replace(kept, 'yes')]).toEqual([false, true]);
        outbox.resume(0);
        expect(outbox.nextBatch().map((entry) => entry.body)).toEqual(['sent', 'yes']);
        expect(outboxOver(sql).replace(kept, 'no')).toBe(false);
      }));

    it('never moves an acknowledgement back, nor beyond what was written', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        for (const body of ['a', 'b', 'c']) outbox.append(body);
        outbox.acknowledge(2);
        outbox.acknowledge(1);
        expect(outbox.depth).toBe(1);
        outbox.acknowledge(99);
        expect(outbox.depth).toBe(0);
        expect(outbox.append('d')).toBe(4);
        expect(outbox.depth).toBe(1);
      }));

    it('keeps entries until they are both acknowledged and past the retention', () =>
      use((sql) => {
        let now = 1_000;
        const outbox = outboxOver(sql, () => now);
        for (const body of ['a', 'b']) outbox.append(body);
        outbox.acknowledge(1);
        expect(outbox.compact()).toBe(0);
        now += LOG_RETENTION_MS + 1;
        expect(outbox.compact()).toBe(1);
        expect(outbox.position()).toMatchObject({ oldest: 2, last: 2 });
        outbox.acknowledge(2);
        expect(outbox.compact()).toBe(1);
        expect(outbox.position()).toMatchObject({ oldest: 3, last: 2 });
      }));

    it('refuses its producer at its bound, and has written nothing then', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.append('a');
        sql.run(`UPDATE log_state SET rows = ? WHERE direction = 'out'`, LOG_ENTRIES_MAX);
        expect(() => outbox.append('b')).toThrow(expect.objectContaining({ code: 'log_full' }));
        expect(outbox.position().last).toBe(1);
      }));
  });
}

function describeInbox(adapter: string, use: UseSql): void {
  const entry = (seq: number): Entry => ({ type: 'entry', log: 'control', seq, at: 1, body: `entry ${seq}` });

  describe(`durable log over ${adapter}: the receiver`, () => {
    it('takes nothing before it knows whose log it follows', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        expect(() => inbox.receive([entry(1)])).toThrow('whose log');
      }));

    it('finds a gap, whether between batches or inside one, and commits nothing of that batch', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        inbox.follow('log-aaaaaaaa', 1);
        expect(inbox.receive([entry(2)])).toEqual({ ok: false, applied: 0, got: 2 });
        expect(inbox.receive([entry(1), entry(3)])).toEqual({ ok: false, applied: 0, got: 3 });
        expect(inbox.receive([entry(2), entry(1)])).toEqual({ ok: false, applied: 0, got: 2 });
        expect(bodiesOf(inbox)).toEqual([]);
      }));

    it('passes over what it has, and takes the rest', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        inbox.follow('log-aaaaaaaa', 1);
        inbox.receive([entry(1), entry(2)]);
        expect(inbox.receive([entry(1), entry(2), entry(3)])).toEqual({ ok: true, applied: 3, fresh: 1 });
        expect(bodiesOf(inbox)).toEqual(['entry 1', 'entry 2', 'entry 3']);
      }));

    it('goes on where it was when the same log returns', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        expect(inbox.follow('log-aaaaaaaa', 1)).toEqual({ applied: 0 });
        inbox.receive([entry(1)]);
        expect(new Inbox(sql, 'control').follow('log-aaaaaaaa', 1)).toEqual({ applied: 1 });
      }));

    it('says a resync when the log is another one, and when entries are gone', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        inbox.follow('log-aaaaaaaa', 1);
        inbox.receive([entry(1)]);
        expect(inbox.follow('log-aaaaaaaa', 4)).toEqual({
          applied: 3,
          resync: expect.stringContaining('2 to 3'),
        });
        expect(inbox.follow('log-bbbbbbbb', 1)).toEqual({
          applied: 0,
          resync: expect.stringContaining('new one'),
        });
        expect(inbox.receive([entry(1)])).toMatchObject({ ok: true, applied: 1 });
      }));

    it('keeps a dead letter beside the log, and what is behind it goes on', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        inbox.follow('log-aaaaaaaa', 1);
        inbox.receive([entry(1), entry(2)]);
        const [poison] = inbox.pending(1);
        if (poison === undefined) throw new Error('nothing is pending');
        inbox.dead(poison, 'cannot be read');
        expect(bodiesOf(inbox)).toEqual(['entry 2']);
        expect(inbox.depth()).toEqual({ pending: 1, dead: 1 });
      }));

    it('brings an entry back when the transaction that handled it fails', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        inbox.follow('log-aaaaaaaa', 1);
        inbox.receive([entry(1)]);
        expect(() =>
          sql.transaction(() => {
            for (const item of inbox.pending(1)) inbox.done(item);
            throw new Error('the effect could not be written');
          }),
        ).toThrow('the effect');
        expect(bodiesOf(inbox)).toEqual(['entry 1']);
      }));
  });
}

function describePort(adapter: string, use: UseSql): void {
  describe(`storage port over ${adapter}`, () => {
    it('takes plain and numbered parameters, and gives rows of RETURNING', () =>
      use((sql) => {
        sql.run('CREATE TABLE t (a TEXT, b INTEGER)');
        sql.run('INSERT INTO t VALUES (?, ?)', 'plain', 1);
        expect(sql.run('INSERT INTO t VALUES (?1, ?2) RETURNING a, b', 'numbered', 2)).toEqual([
          { a: 'numbered', b: 2 },
        ]);
        expect(sql.run('SELECT a FROM t WHERE b = ?1 OR b = ?1 + 1 ORDER BY b', 1)).toHaveLength(2);
        expect(sql.run('DELETE FROM t WHERE b = ?', 1)).toEqual([]);
      }));

    it('joins a nested transaction to the outer one, whose failure undoes both', () =>
      use((sql) => {
        sql.run('CREATE TABLE t (a INTEGER)');
        expect(() =>
          sql.transaction(() => {
            sql.run('INSERT INTO t VALUES (1)');
            sql.transaction(() => sql.run('INSERT INTO t VALUES (2)'));
            throw new Error('outer');
          }),
        ).toThrow('outer');
        expect(sql.run('SELECT a FROM t')).toEqual([]);
      }));
  });
}
