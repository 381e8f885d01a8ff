import { describe, expect, it } from 'vitest';
import { LOG_BYTES_MAX, LOG_ENTRIES_MAX, LOG_RETENTION_MS } from '../../limits.ts';
import { int, type Sql } from '../sql.ts';
import { appended, counts, outboxOver, type UseSql } from './use.ts';

const fill = (sql: Sql, column: 'rows' | 'bytes', value: number) =>
  sql.run(`UPDATE log_state SET ${column} = ? WHERE direction = 'out'`, value);

const logFull = expect.objectContaining({ code: 'log_full' });

export function describeRoom(use: UseSql): void {
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
