import { describe, expect, it } from 'vitest';
import { appended, outboxOver, type UseSql } from './use.ts';

export function describeProgress(use: UseSql): void {
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
}
