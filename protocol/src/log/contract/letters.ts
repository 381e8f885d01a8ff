import { describe, expect, it } from 'vitest';
import { DEAD_LETTERS_MAX, HANDLING_ATTEMPTS_MAX, HANDLING_RETRY_MS } from '../../limits.ts';
import { Inbox } from '../inbox.ts';
import type { Sql } from '../sql.ts';
import { bodiesOf, entriesOf, entryOf, firstOf, LOG_ID, type UseSql } from './use.ts';

function received(sql: Sql, count: number): Inbox {
  const inbox = new Inbox(sql, 'control');
  inbox.follow({ logId: LOG_ID, oldest: 1 });
  inbox.receive(entriesOf(1, count));
  return inbox;
}

/** Everything that waits is dead. */
function bury(inbox: Inbox): void {
  for (const item of inbox.pending(1_000, 0)) inbox.dead(item, `cannot read ${item.seq}`, 5);
}

const seqsOf = (letters: readonly { seq: number }[]) => letters.map(({ seq }) => seq);

export function describeLetters(use: UseSql): void {
  describe('an entry that fails', () => {
    it('is tried again after a while, twice as long each time, and what is behind it goes on', () =>
      use((sql) => {
        const inbox = received(sql, 2);
        const due: number[] = [];
        let now = 0;
        for (let attempt = 1; attempt < HANDLING_ATTEMPTS_MAX; attempt++) {
          expect(inbox.failed(firstOf(inbox, now), `attempt ${attempt}`, now)).toBe('retry');
          const next = inbox.nextRetry() ?? Number.NaN;
          expect(inbox.pending(10, next - 1).map(({ seq }) => seq)).toEqual([2]);
          due.push(next - now);
          now = next;
        }
        expect(due).toEqual([1, 2, 4, 8].map((times) => times * HANDLING_RETRY_MS));
        expect(firstOf(inbox, now)).toMatchObject({ seq: 1, attempts: 4 });
      }));

    it('is a dead letter with its reason after as many failures as there are attempts', () =>
      use((sql) => {
        const inbox = received(sql, 1);
        for (let attempt = 1; attempt < HANDLING_ATTEMPTS_MAX; attempt++)
          inbox.failed(firstOf(inbox, 1e9), 'no', 0);
        expect(inbox.failed(firstOf(inbox, 1e9), 'still no', 77)).toBe('dead');
        expect(inbox.depth()).toEqual({ pending: 0, dead: 1, givenUp: 0 });
        expect(inbox.nextRetry()).toBeUndefined();
        expect(inbox.letters(10)).toEqual([
          { logId: LOG_ID, seq: 1, at: 1, body: 'entry 1', attempts: 5, failedAt: 77, error: 'still no' },
        ]);
      }));

    it('changes nothing when it was settled meanwhile', () =>
      use((sql) => {
        const inbox = received(sql, 1);
        const item = firstOf(inbox);
        inbox.dead(item, 'first', 1);
        inbox.failed(item, 'second', 2);
        inbox.dead(item, 'third', 3);
        inbox.done(item);
        expect(inbox.letters(10)).toMatchObject([{ error: 'first', attempts: 1 }]);
      }));

    it('keeps a reason of any length to what a letter holds', () =>
      use((sql) => {
        const inbox = received(sql, 1);
        inbox.dead(firstOf(inbox), 'x'.repeat(100_000), 1);
        expect(inbox.letters(1)[0]?.error).toHaveLength(2_000);
      }));
  });

  describe('dead letters', () => {
    it('L6: hold nothing up', () =>
      use((sql) => {
        const inbox = received(sql, 2);
        inbox.dead(firstOf(inbox), 'cannot be read', 1);
        expect(bodiesOf(inbox)).toEqual(['entry 2']);
        expect(inbox.receive([entryOf(3)])).toMatchObject({ ok: true, applied: 3 });
      }));

    it('are listed in the order of their entries, page by page, also when the last of a page is gone', () =>
      use((sql) => {
        const inbox = received(sql, 5);
        bury(inbox);
        const page = inbox.letters(2);
        expect(seqsOf(page)).toEqual([1, 2]);
        inbox.drop({ logId: LOG_ID, seq: 2 });
        expect(seqsOf(inbox.letters(2, page[1]))).toEqual([3, 4]);
        expect(seqsOf(inbox.letters(2, { logId: LOG_ID, seq: 4 }))).toEqual([5]);
      }));

    it('are listed page by page across the logs that their peer has had', () =>
      use((sql) => {
        const inbox = received(sql, 3);
        inbox.follow({ logId: 'log-bbbbbbbb', oldest: 1, continues: { logId: LOG_ID, seq: 1 } });
        inbox.receive(entriesOf(2, 3));
        bury(inbox);
        const all = inbox.letters(10).map(({ logId, seq }) => ({ logId, seq }));
        expect(all.map(({ logId, seq }) => `${logId.at(-1)}${seq}`)).toEqual(['a1', 'a2', 'a3', 'b2', 'b3']);
        for (const gone of all) inbox.drop(gone);
        inbox.receive([entryOf(4)]);
        bury(inbox);
        expect(all.map((after) => seqsOf(inbox.letters(10, after)))).toEqual([[4], [4], [4], [4], [4]]);
      }));

    it('go back into their place when replayed, with all their attempts', () =>
      use((sql) => {
        const inbox = received(sql, 3);
        inbox.dead(firstOf(inbox), 'cannot be read', 1);
        const key = { logId: LOG_ID, seq: 1 };
        expect([inbox.replay(key), inbox.replay(key)]).toEqual([true, false]);
        expect(bodiesOf(inbox)).toEqual(['entry 1', 'entry 2', 'entry 3']);
        expect([firstOf(inbox).attempts, inbox.letter(key)]).toEqual([0, undefined]);
      }));

    it('are gone when dropped, and entries that wait cannot be', () =>
      use((sql) => {
        const inbox = received(sql, 2);
        inbox.dead(firstOf(inbox), 'cannot be read', 1);
        expect(inbox.letter({ logId: LOG_ID, seq: 1 })?.error).toBe('cannot be read');
        expect([1, 1, 2].map((seq) => inbox.drop({ logId: LOG_ID, seq }))).toEqual([true, false, false]);
        expect(inbox.depth()).toMatchObject({ pending: 1, dead: 0 });
      }));

    it('are bounded: beyond it those dead longest are given up, and counted', () =>
      use((sql) => {
        const inbox = received(sql, 1);
        sql.run(
          `INSERT INTO log_inbox (log, log_id, epoch, seq, at, body, state, failed_at)
             WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= ?)
             SELECT 'control', '${LOG_ID}', 0, i, 1, 'poison', 'dead', 1000 + i FROM n`,
          DEAD_LETTERS_MAX,
        );
        expect(inbox.depth()).toEqual({ pending: 1, dead: DEAD_LETTERS_MAX, givenUp: 0 });
        inbox.dead(firstOf(inbox), 'one more', 1e9);
        const { dead, givenUp } = inbox.depth();
        expect([dead + givenUp, givenUp]).toEqual([DEAD_LETTERS_MAX + 1, 100]);
        expect(seqsOf(inbox.letters(2))).toEqual([1, 102]);
      }));
  });
}
