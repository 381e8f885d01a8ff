import { describe, expect, it } from 'vitest';
import type { Entry } from '../../frames/index.ts';
import { Inbox } from '../inbox.ts';
import type { Sql } from '../sql.ts';
import { appended, counts, LOG_ID, outboxOver, type UseSql } from './use.ts';

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
}
