import { describe, expect, it } from 'vitest';
import { BATCH_ENTRIES_MAX, BATCHES_IN_FLIGHT_MAX } from '../../limits.ts';
import { appended, outboxOver, type UseSql } from './use.ts';

export function describeBatches(use: UseSql): void {
  describe('what the sender has on a wire', () => {
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
  });
}
