import { describe, expect, it } from 'vitest';
import { HANDLING_RETRY_MS } from '../../limits.ts';
import { Inbox } from '../inbox.ts';
import type { InboxItem } from '../letter.ts';
import type { Sql } from '../sql.ts';
import { bodiesOf, entriesOf, entryOf, firstOf, LOG_ID, type UseSql } from './use.ts';

function following(sql: Sql): Inbox {
  const inbox = new Inbox(sql, 'control');
  inbox.follow({ logId: LOG_ID, oldest: 1 });
  return inbox;
}

/** Handles entries as their receiver would: a row for each. */
function handler(sql: Sql) {
  sql.run('CREATE TABLE effects (seq INTEGER)');
  return {
    effects: () => sql.run('SELECT seq FROM effects').map(({ seq }) => seq),
    take: (items: readonly InboxItem[]) => {
      for (const { seq } of items) sql.run('INSERT INTO effects VALUES (?)', seq);
      return [];
    },
  };
}

export function describeInbox(use: UseSql): void {
  describe('the receiver', () => {
    it('takes nothing before it knows whose log it follows', () =>
      use((sql) => {
        const inbox = new Inbox(sql, 'control');
        expect(() => inbox.receive([entryOf(1)])).toThrow('whose log');
      }));

    it('L4: finds a gap, whether between batches or inside one, and commits nothing of that batch', () =>
      use((sql) => {
        const inbox = following(sql);
        expect(inbox.receive([entryOf(2)])).toEqual({ ok: false, applied: 0, got: 2 });
        expect(inbox.receive([entryOf(1), entryOf(3)])).toEqual({ ok: false, applied: 0, got: 3 });
        expect(inbox.receive([entryOf(2), entryOf(1)])).toEqual({ ok: false, applied: 0, got: 2 });
        expect([bodiesOf(inbox), inbox.position().applied]).toEqual([[], 0]);
      }));

    it('L4: passes over what it has, and takes the rest', () =>
      use((sql) => {
        const inbox = following(sql);
        inbox.receive(entriesOf(1, 2));
        expect(inbox.receive(entriesOf(1, 3))).toEqual({ ok: true, applied: 3, fresh: 1 });
        expect(inbox.receive(entriesOf(1, 3))).toEqual({ ok: true, applied: 3, fresh: 0 });
        expect(bodiesOf(inbox)).toEqual(['entry 1', 'entry 2', 'entry 3']);
      }));

    it('L3: goes on where it was when the same log returns', () =>
      use((sql) => {
        const inbox = following(sql);
        inbox.receive([entryOf(1)]);
        expect(new Inbox(sql, 'control').follow({ logId: LOG_ID, oldest: 1 })).toEqual({ applied: 1 });
      }));

    it('L3: has neither position nor entries of a batch that could not be written', () =>
      use((sql) => {
        const inbox = following(sql);
        const broken: Sql = {
          transaction: sql.transaction,
          run: (statement, ...params) => {
            if (statement.startsWith('UPDATE log_state SET acked')) throw new Error('power cut');
            return sql.run(statement, ...params);
          },
        };
        expect(() => new Inbox(broken, 'control').receive([entryOf(1)])).toThrow('power cut');
        expect([bodiesOf(inbox), inbox.position().applied]).toEqual([[], 0]);
      }));

    it('keeps any text as it came, whether it can be read or not', () =>
      use((sql) => {
        const inbox = following(sql);
        const bodies = ['', 'not JSON', '{"a":"😀"}', '"', '\\u0000', '\u2028', '[1,2'];
        inbox.receive(bodies.map((body, index) => ({ ...entryOf(index + 1), body })));
        expect(bodiesOf(inbox)).toEqual(bodies);
      }));

    it('keeps the logs of one database apart', () =>
      use((sql) => {
        const control = following(sql);
        const queue = new Inbox(sql, 'queue');
        queue.follow({ logId: LOG_ID, oldest: 1 });
        control.receive([entryOf(1)]);
        expect([queue.position().applied, bodiesOf(queue)]).toEqual([0, []]);
        queue.receive([{ ...entryOf(1), log: 'queue' }]);
        control.done(firstOf(control));
        expect([bodiesOf(control), bodiesOf(queue)]).toEqual([[], ['entry 1']]);
      }));

    it('brings an entry back when the transaction that handled it fails', () =>
      use((sql) => {
        const inbox = following(sql);
        inbox.receive([entryOf(1)]);
        expect(() =>
          sql.transaction(() => {
            inbox.done(firstOf(inbox));
            throw new Error('the effect could not be written');
          }),
        ).toThrow('the effect');
        expect(bodiesOf(inbox)).toEqual(['entry 1']);
      }));
  });

  describe('an entry that could not be handled', () => {
    it('waits for its time, and no longer when the clock is put back', () =>
      use((sql) => {
        const inbox = following(sql);
        inbox.receive([entryOf(1)]);
        inbox.failed(firstOf(inbox), 'not yet', 10_000_000);
        expect(inbox.pending(1, 10_000_001)).toEqual([]);
        expect(inbox.pending(1, 10_000_000 + HANDLING_RETRY_MS)).toHaveLength(1);
        expect(inbox.pending(1, 5_000_000)).toHaveLength(1);
      }));
  });

  describe('a receiver that handles entries as it takes them', () => {
    it('handles them in the transaction that moves the position, and keeps none', () =>
      use((sql) => {
        const { take, effects } = handler(sql);
        const inbox = following(sql);
        expect(inbox.receive(entriesOf(1, 2), take)).toEqual({ ok: true, applied: 2, fresh: 2 });
        expect(inbox.receive(entriesOf(2, 3), take)).toEqual({ ok: true, applied: 3, fresh: 1 });
        expect([effects(), bodiesOf(inbox)]).toEqual([[1, 2, 3], []]);
      }));

    it('keeps those that it leaves', () =>
      use((sql) => {
        const inbox = following(sql);
        inbox.receive(entriesOf(1, 3), (items) => items.filter(({ seq }) => seq === 2));
        expect([bodiesOf(inbox), inbox.position().applied]).toEqual([['entry 2'], 3]);
      }));

    it('undoes what it did when one of them fails, and puts all of them into the inbox', () =>
      use((sql) => {
        const { take, effects } = handler(sql);
        const inbox = following(sql);
        const received = inbox.receive(entriesOf(1, 2), (items) => {
          take(items);
          throw new Error('the second one is poison');
        });
        expect(received).toEqual({ ok: true, applied: 2, fresh: 2 });
        expect([effects(), bodiesOf(inbox)]).toEqual([[], ['entry 1', 'entry 2']]);
      }));

    it('handles nothing while something waits, be it for a retry: that comes first', () =>
      use((sql) => {
        const { take, effects } = handler(sql);
        const inbox = following(sql);
        inbox.receive([entryOf(1)]);
        inbox.failed(firstOf(inbox), 'not yet', 0);
        inbox.receive([entryOf(2)], take);
        expect([effects(), inbox.depth().pending]).toEqual([[], 2]);
      }));

    it('handles nothing of a batch with a gap', () =>
      use((sql) => {
        const { take, effects } = handler(sql);
        expect(following(sql).receive([entryOf(1), entryOf(3)], take)).toMatchObject({ ok: false });
        expect(effects()).toEqual([]);
      }));
  });
}
