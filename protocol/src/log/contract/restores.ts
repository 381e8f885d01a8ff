import { describe, expect, it } from 'vitest';
import { Inbox } from '../inbox.ts';
import type { Sql } from '../sql.ts';
import { bodiesOf, entriesOf, LOG_ID, outboxOver, type UseSql } from './use.ts';

const [L1, L2, L3] = [LOG_ID, 'log-bbbbbbbb', 'log-cccccccc'];

function at(sql: Sql, applied: number): Inbox {
  const inbox = new Inbox(sql, 'control');
  inbox.follow({ logId: L1, oldest: 1 });
  inbox.receive(entriesOf(1, applied));
  return inbox;
}

export function describeRestores(use: UseSql): void {
  describe('a receiver whose peer comes back with another log', () => {
    it('begins where the first log it ever sees begins, and calls that no loss', () =>
      use((sql) => {
        expect(new Inbox(sql, 'control').follow({ logId: L1, oldest: 5 })).toEqual({ applied: 4 });
      }));

    it('names what is gone for good when the same log no longer has it', () =>
      use((sql) => {
        expect(at(sql, 1).follow({ logId: L1, oldest: 4 })).toEqual({
          applied: 3,
          resync: expect.stringContaining('gone'),
          unrecoverable: { from: 2, to: 3 },
        });
      }));

    it('L5: goes on where the two part when the log continues the one it followed', () =>
      use((sql) => {
        const inbox = at(sql, 9);
        expect(inbox.follow({ logId: L2, oldest: 1, continues: { logId: L1, seq: 6 } })).toEqual({
          applied: 6,
          resync: expect.stringContaining(L2),
        });
        expect(inbox.position()).toEqual({ peerLogId: L2, applied: 6 });
        expect(inbox.receive(entriesOf(7, 8))).toMatchObject({ ok: true, fresh: 2 });
        expect(bodiesOf(inbox)).toHaveLength(11);
      }));

    it('L5: goes on where it was when it had less than the two have in common', () =>
      use((sql) => {
        expect(at(sql, 3).follow({ logId: L2, oldest: 1, continues: { logId: L1, seq: 6 } }).applied).toBe(3);
      }));

    it('names what is gone of a log that continues, too', () =>
      use((sql) => {
        expect(at(sql, 3).follow({ logId: L2, oldest: 6, continues: { logId: L1, seq: 9 } })).toMatchObject({
          applied: 5,
          unrecoverable: { from: 4, to: 5 },
        });
      }));

    it('begins afresh with a log that continues nothing it knows, and says so', () =>
      use((sql) => {
        expect(at(sql, 9).follow({ logId: L2, oldest: 4, continues: { logId: L3, seq: 8 } })).toEqual({
          applied: 3,
          resync: expect.stringContaining(L2),
        });
      }));

    it('handles what it has of the older log first', () =>
      use((sql) => {
        const inbox = at(sql, 2);
        inbox.follow({ logId: L2, oldest: 1, continues: { logId: L1, seq: 0 } });
        inbox.receive([{ type: 'entry', log: 'control', seq: 1, at: 1, body: 'of the newer' }]);
        expect(bodiesOf(inbox)).toEqual(['entry 1', 'entry 2', 'of the newer']);
      }));

    it('does not take a log back that was replaced: the same positions mean other entries there', () =>
      use((sql) => {
        const inbox = at(sql, 5);
        inbox.follow({ logId: L2, oldest: 1, continues: { logId: L1, seq: 4 } });
        expect([inbox.isRetired(L1), inbox.isRetired(L2)]).toEqual([true, false]);
        expect(() => inbox.follow({ logId: L1, oldest: 1 })).toThrow('replaced');
        expect(inbox.position()).toEqual({ peerLogId: L2, applied: 4 });
      }));

    it('finds what it shares with a log that continues one from before the last restore', () =>
      use((sql) => {
        const inbox = at(sql, 5);
        inbox.follow({ logId: L2, oldest: 1, continues: { logId: L1, seq: 4 } });
        inbox.receive(entriesOf(5, 9));
        // The same backup was restored twice, or an older one: 4 is what L1 and L2 have in common.
        expect(inbox.follow({ logId: L3, oldest: 1, continues: { logId: L1, seq: 5 } }).applied).toBe(4);
      }));
  });

  describe('a sender whose database was restored', () => {
    it('L5: continues what it had offered before the copy was made', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.appendAll(['a', 'b']);
        outbox.resume(0);
        outbox.nextBatch();
        outbox.append('never sent by this copy');
        outbox.renew(L2);
        expect(outbox.position()).toEqual({
          logId: L2,
          continues: { logId: L1, seq: 2 },
          oldest: 1,
          last: 3,
        });
      }));

    it('L5: continues all it has where everything counts as offered', () =>
      use((sql) => {
        const outbox = outboxOver(sql, { lazyPositions: true });
        outbox.appendAll(['a', 'b']);
        outbox.renew(L2);
        expect(outbox.position().continues).toEqual({ logId: L1, seq: 2 });
      }));

    it('continues what its peer knows when the peer has not heard of the first of two restores', () =>
      use((sql) => {
        const outbox = outboxOver(sql, { lazyPositions: true });
        outbox.append('a');
        outbox.renew(L2, L1);
        outbox.append('b');
        outbox.renew(L3, L1);
        expect(outbox.position()).toMatchObject({ logId: L3, continues: { logId: L1, seq: 1 }, last: 2 });
        outbox.renew('log-dddddddd', L3);
        expect(outbox.position().continues).toEqual({ logId: L3, seq: 2 });
      }));

    it('knows from its peer that it is an older copy', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.resume(0);
        outbox.append('sent');
        outbox.nextBatch();
        outbox.append('written since, in the place of what was lost');
        const behind = (peerLogId: string | undefined, applied: number) =>
          outbox.isBehind({ applied, ...(peerLogId === undefined ? {} : { peerLogId }) });
        expect([behind(undefined, 0), behind(L1, 0), behind(L1, 1)]).toEqual([false, false, false]);
        expect([behind(L1, 2), behind(L2, 0)]).toEqual([true, true]);
        outbox.renew(L2);
        expect([behind(L1, 2), behind(L2, 0)]).toEqual([false, false]);
      }));

    it('knows how much of it a peer has', () =>
      use((sql) => {
        const outbox = outboxOver(sql, { lazyPositions: true });
        outbox.appendAll(['a', 'b', 'c']);
        outbox.renew(L2);
        const shared = (peerLogId: string, applied: number) => outbox.sharedWith({ peerLogId, applied });
        expect([shared(L2, 2), shared(L1, 2), shared(L1, 9), shared(L3, 1)]).toEqual([2, 2, 3, undefined]);
      }));

    it('offers again what a peer has lost, and may put another body in its place', () =>
      use((sql) => {
        const outbox = outboxOver(sql);
        outbox.appendAll(['a', 'b']);
        outbox.resume(2);
        expect([outbox.rewrite(2, 'finished since'), outbox.rewrite(3, 'not there')]).toEqual([true, false]);
        outbox.resume(0);
        expect([outbox.depth, outbox.nextBatch().map(({ body }) => body)]).toEqual([
          2,
          ['a', 'finished since'],
        ]);
      }));
  });
}
