import { describe, expect, it } from 'vitest';
import type { Entry } from '../../frames/index.ts';
import {
  BATCH_ENTRIES_MAX,
  BATCHES_IN_FLIGHT_MAX,
  LOG_BYTES_MAX,
  LOG_ENTRIES_MAX,
  LOG_RETENTION_MS,
} from '../../limits.ts';
import { Inbox } from '../inbox.ts';
import type { Outbox } from '../outbox.ts';
import { int, type Sql } from '../sql.ts';
import { LOG_ID, outboxOver, type UseSql } from './use.ts';

function appended(outbox: Outbox, ...bodies: string[]): Outbox {
  for (const body of bodies) outbox.append(body);
  return outbox;
}

/** What the log believes to hold, beside what it holds. */
function counts(sql: Sql) {
  const [kept] = sql.run(`SELECT rows, bytes FROM log_state WHERE direction = 'out'`);
  const [real] = sql.run(`SELECT COUNT(*) AS rows, COALESCE(SUM(bytes), 0) AS bytes FROM log_outbox`);
  return { kept, real };
}

const fill = (sql: Sql, column: 'rows' | 'bytes', value: number) =>
  sql.run(`UPDATE log_state SET ${column} = ? WHERE direction = 'out'`, value);

/** Where a peer stands that took these entries, in a log of its own name so that the two may share a database. */
function inboxAfter(sql: Sql, entry: (seq: number, body: string) => Entry, bodies: readonly string[]) {
  const inbox = new Inbox(sql, 'queue');
  inbox.follow({
    logId: `log-of-${bodies.join('-').replaceAll(' ', '-')}`.slice(0, 60).padEnd(8, 'x'),
    oldest: 1,
  });
  inbox.receive(bodies.map((body, index) => entry(index + 1, body)));
  return inbox.position();
}

const logFull = expect.objectContaining({ code: 'log_full' });

export function describeOutbox(use: UseSql): void {
  describe('the sender', () => {
    it('names its log once in the life of a database', () =>
      use((sql) => {
        expect(outboxOver(sql).logId).toBe(LOG_ID);
        expect(outboxOver(sql, { newLogId: () => 'log-another' }).logId).toBe(LOG_ID);
      }));

    it('numbers entries from 1 without gaps, one by one or many at once, across a restart', () =>
      use((sql) => {
        const first = outboxOver(sql);
        expect([first.append('a'), first.appendAll(['b', 'c']), first.appendAll([])]).toEqual([1, 2, 4]);
        const second = outboxOver(sql);
        expect([second.append('d'), second.appendAll(['e'])]).toEqual([4, 5]);
        second.resume(0);
        expect(second.nextBatch().map(({ seq, body }) => `${seq}${body}`)).toEqual([
          '1a',
          '2b',
          '3c',
          '4d',
          '5e',
        ]);
      }));

    it('takes more at once than one statement does, in their order', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        const bodies = Array.from({ length: 47 }, (_, n) => `body ${n}`);
        expect(outbox.appendAll(bodies)).toBe(1);
        outbox.resume(0);
        expect(outbox.nextBatch().map(({ seq, body }) => [seq, body])).toEqual(
          bodies.map((body, n) => [n + 1, body]),
        );
      }));

    it('writes no entry when the transaction of the fact that it reports fails', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        expect(() =>
          sql.transaction(() => {
            outbox.append('a');
            outbox.appendAll(['b', 'c']);
            throw new Error('the fact could not be written');
          }),
        ).toThrow('the fact');
        expect(outbox.position().last).toBe(0);
        expect(counts(sql)).toEqual({ kept: { rows: 0, bytes: 0 }, real: { rows: 0, bytes: 0 } });
        expect(outbox.append('b')).toBe(1);
      }));

    it('offers entries in order, each once in a session, and again from the peer’s position in the next', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a', 'b', 'c');
        outbox.resume(0);
        expect(outbox.nextBatch().map((entry) => entry.seq)).toEqual([1, 2, 3]);
        expect(outbox.nextBatch()).toEqual([]);
        outbox.resume(1);
        expect(outbox.nextBatch().map((entry) => entry.body)).toEqual(['b', 'c']);
      }));

    it('L8: keeps a bounded number of batches in flight, and goes on when they are acknowledged', () =>
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
        outbox.resume(1);
        for (let sent = 0; sent < 2; sent++) {
          outbox.append('x');
          expect(outbox.nextBatch()).not.toEqual([]);
        }
      }));

    it('L8: gathers what would be a small batch while another is unacknowledged, and lets full ones go', () =>
      use((sql) => {
        const outbox = outboxOver(sql, { gather: true });
        const next = () => [outbox.hasBatch, outbox.nextBatch().length];
        outbox.resume(0);
        expect(next()).toEqual([false, 0]);
        outbox.append('at once');
        expect(next()).toEqual([true, 1]);
        for (let made = 0; made < BATCH_ENTRIES_MAX - 1; made++) outbox.append('x');
        expect(next()).toEqual([false, 0]);
        outbox.appendAll(['x', 'one more']);
        expect([next(), next()]).toEqual([
          [true, BATCH_ENTRIES_MAX],
          [false, 0],
        ]);
        outbox.acknowledge(1);
        expect(next()).toEqual([false, 0]);
        outbox.acknowledge(BATCH_ENTRIES_MAX + 1);
        expect(next()).toEqual([true, 1]);
      }));

    it('L8: ends a batch at its bytes, and sends at least one entry', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        outbox.appendAll(Array.from({ length: 6 }, () => 'x'.repeat(64 * 1024)));
        expect([outbox.nextBatch().length, outbox.nextBatch().length]).toEqual([4, 2]);
      }));

    it('L10: replaces an entry only before it was ever offered, and only one that is there', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        const sent = outbox.append('sent');
        outbox.nextBatch();
        const kept = outbox.append('kept');
        expect([outbox.replace(sent, 'no'), outbox.replace(kept, 'yes'), outbox.replace(3, 'no')]).toEqual([
          false,
          true,
          false,
        ]);
        outbox.resume(0);
        expect(outbox.nextBatch().map((entry) => entry.body)).toEqual(['sent', 'yes']);
        expect(outboxOver(sql).replace(kept, 'no')).toBe(false);
      }));

    it('L10: takes what a peer has for offered, whatever its own copy says', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a', 'b');
        outbox.resume(1);
        expect([outbox.replace(1, 'no'), outbox.replace(2, 'yes')]).toEqual([false, true]);
      }));

    it('never moves an acknowledgement back, nor beyond what was written', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a', 'b', 'c');
        outbox.acknowledge(2);
        outbox.acknowledge(1);
        expect(outbox.depth).toBe(1);
        outbox.acknowledge(99);
        expect(outbox.depth).toBe(0);
        expect(outbox.append('d')).toBe(4);
        expect(outbox.depth).toBe(1);
      }));

    it('never moves D1’s position back', () =>
      use((sql) => {
        for (const lazyPositions of [false, true]) {
          const outbox = outboxOver(sql, { lazyPositions });
          outbox.project(5);
          outbox.project(3);
          expect(outbox.projected).toBe(5);
        }
      }));

    it('S7: tells a copy that went on by itself by the entry that its peer has in that place', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a', 'b');
        const entry = (seq: number, body: string): Entry => ({
          type: 'entry',
          log: 'control',
          seq,
          at: 1,
          body,
        });
        const forkedAfter = (...bodies: string[]) =>
          outbox.isForked({ ...inboxAfter(sql, entry, bodies), peerLogId: outbox.logId });
        expect(forkedAfter('a', 'b')).toBe(false);
        expect(forkedAfter('a', 'of the other copy')).toBe(true);
      }));

    it('refuses to go on behind more than there is: the peer would pass new entries over', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a');
        expect(() => outbox.resume(2)).toThrow(RangeError);
      }));
  });

  describe('a sender whose positions are lazy', () => {
    it('writes nothing for a batch or an acknowledgement, and both with the next entry', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql, { lazyPositions: true }), 'a', 'b');
        const kept = () =>
          sql.run(`SELECT acked, offered, projected FROM log_state WHERE direction = 'out'`)[0];
        outbox.resume(0);
        outbox.nextBatch();
        outbox.acknowledge(2);
        outbox.project(1);
        expect([outbox.acked, outbox.depth, outbox.projected]).toEqual([2, 0, 1]);
        expect(kept()).toEqual({ acked: 0, offered: 0, projected: 0 });
        outbox.append('c');
        expect(kept()).toEqual({ acked: 2, offered: 0, projected: 1 });
      }));

    it('L5: learns them again from its peer after a crash', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql, { lazyPositions: true }), 'a', 'b');
        outbox.acknowledge(2);
        const after = outboxOver(sql, { lazyPositions: true });
        expect(after.depth).toBe(2);
        after.resume(2);
        expect([after.depth, after.nextBatch()]).toEqual([0, []]);
      }));

    it('takes everything for offered, so that nothing on a wire is ever replaced', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql, { lazyPositions: true }), 'a');
        expect(outbox.replace(1, 'no')).toBe(false);
      }));
  });

  describe('the bounds of the sender', () => {
    it('L2: entries stay until they are both acknowledged and past the retention', () =>
      use((sql) => {
        for (const lazyPositions of [false, true]) {
          let now = 1_000;
          const outbox = outboxOver(sql, { now: () => now, lazyPositions });
          const first = outbox.appendAll(['a', 'b']);
          outbox.acknowledge(first);
          expect(outbox.compact()).toBe(0);
          now += LOG_RETENTION_MS + 1;
          expect(outbox.compact()).toBe(1);
          expect(outbox.position()).toMatchObject({ oldest: first + 1, last: first + 1 });
          outbox.acknowledge(first + 1);
          expect(outbox.compact()).toBe(1);
          expect(outbox.position()).toMatchObject({ oldest: first + 2, last: first + 1 });
          expect(counts(sql)).toEqual({ kept: { rows: 0, bytes: 0 }, real: { rows: 0, bytes: 0 } });
        }
      }));

    it('L2: a young entry stays when older ones go, and a crash behind that counts none as waiting', () =>
      use((sql) => {
        let now = 0;
        const options = { now: () => now, lazyPositions: true };
        const outbox = outboxOver(sql, options);
        outbox.appendAll(['old', 'old']);
        now = LOG_RETENTION_MS + 1;
        outbox.append('young');
        outbox.acknowledge(3);
        expect(outbox.compact()).toBe(2);
        expect(outbox.body(3)).toBe('young');
        expect(outboxOver(sql, options).depth).toBe(0);
      }));

    it('leaves no hole when the clock has gone back: what is behind a young entry stays with it', () =>
      use((sql) => {
        let now = 2 * LOG_RETENTION_MS;
        const outbox = outboxOver(sql, { now: () => now });
        outbox.append('of a clock that ran ahead');
        now = 1_000;
        outbox.append('of one put right');
        outbox.acknowledge(2);
        now += LOG_RETENTION_MS + 1;
        expect(outbox.compact()).toBe(0);
        now = 4 * LOG_RETENTION_MS;
        expect(outbox.compact()).toBe(2);
      }));

    it('deletes no more at a time than it was told to', () =>
      use((sql) => {
        let now = 0;
        const outbox = appended(outboxOver(sql, { now: () => now }), 'a', 'b', 'c');
        outbox.acknowledge(3);
        now = LOG_RETENTION_MS + 1;
        expect([outbox.compact(2), outbox.compact(2), outbox.compact(2)]).toEqual([2, 1, 0]);
      }));

    it('counts what it holds exactly, whatever is written, replaced and deleted', () =>
      use((sql) => {
        let now = 0;
        const outbox = outboxOver(sql, { now: () => now });
        outbox.append('{"text":"naïve 😀 中"}');
        outbox.appendAll(['😀😀', 'é', '']);
        outbox.replace(2, 'withdrawn 😀');
        expect(counts(sql)).toEqual({ kept: { rows: 4, bytes: 34 }, real: { rows: 4, bytes: 34 } });
        outbox.acknowledge(4);
        now = LOG_RETENTION_MS + 1;
        outbox.compact();
        expect(counts(sql)).toEqual({ kept: { rows: 0, bytes: 0 }, real: { rows: 0, bytes: 0 } });
      }));

    it('L9: refuses its producer at either bound, all of a group or none, and has written nothing then', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.append('a');
        fill(sql, 'rows', LOG_ENTRIES_MAX - 1);
        expect(() => outbox.appendAll(['b', 'c'])).toThrow(logFull);
        expect(outbox.append('b')).toBe(2);
        expect(() => outbox.append('c')).toThrow(logFull);
        fill(sql, 'rows', 2);
        fill(sql, 'bytes', LOG_BYTES_MAX - 1);
        expect(() => outbox.append('cc')).toThrow(logFull);
        expect(outbox.append('c')).toBe(3);
        expect(outbox.position().last).toBe(3);
        expect(int(counts(sql).real, 'rows')).toBe(3);
      }));

    it('L9: makes room from what is acknowledged, young as it is: only what the peer lacks makes a log full', () =>
      use((sql) => {
        const outbox = appended(outboxOver(sql), 'a', 'b', 'c');
        outbox.acknowledge(2);
        fill(sql, 'rows', LOG_ENTRIES_MAX);
        expect(outbox.append('d')).toBe(4);
        expect(outbox.position()).toMatchObject({ oldest: 3, last: 4 });
        fill(sql, 'rows', LOG_ENTRIES_MAX);
        expect(() => outbox.append('e')).toThrow(logFull);
      }));
  });
}
