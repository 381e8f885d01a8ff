import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Chore } from './chore.ts';
import { type OwnParts, withObject } from './object.fixture.ts';

beforeEach(() => {
  const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  return () => told.mockRestore();
});

function choreOf({ meta, clock }: OwnParts, work: () => Promise<void>) {
  const tasks: Promise<unknown>[] = [];
  const alarms: number[] = [];
  const chore = new Chore({
    name: 'projection',
    work,
    meta,
    now: () => clock.now,
    background: (task) => void tasks.push(task),
    wakeAt: async (at) => void alarms.push(at),
  });
  return { chore, alarms, settled: () => Promise.all(tasks) };
}

describe('a chore', () => {
  it('runs once at a time, and once more when it was started meanwhile', () =>
    withObject(async (parts) => {
      const world = { running: 0, most: 0, runs: 0 };
      const { chore, settled } = choreOf(parts, async () => {
        world.most = Math.max(world.most, ++world.running);
        world.runs++;
        await Promise.resolve();
        world.running--;
      });
      for (let n = 0; n < 5; n++) chore.start();
      await settled();
      expect(world).toEqual({ running: 0, most: 1, runs: 2 });
    }));

  it('that fails is tried again with backoff, at most 60 s apart, also by another instance', () =>
    withObject(async (parts) => {
      const delays: number[] = [];
      for (let n = 0; n < 9; n++) {
        const { chore, alarms, settled } = choreOf(parts, () => Promise.reject(new Error('D1 is down')));
        chore.start();
        await settled();
        delays.push((alarms[0] ?? 0) - parts.clock.now);
        parts.clock.now = alarms[0] ?? 0;
      }
      expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
    }));

  it('is not tried before its time; the alarm brings it back, and a success ends the backoff', () =>
    withObject(async (parts) => {
      const world = { broken: true, runs: 0 };
      const { chore, alarms, settled } = choreOf(parts, async () => {
        world.runs++;
        if (world.broken) throw new Error('D1 is down');
      });
      chore.start();
      await settled();
      chore.start();
      await settled();
      expect([world.runs, alarms]).toEqual([1, [1_001_000, 1_001_000]]);
      world.broken = false;
      parts.clock.now = 1_001_000;
      chore.resume();
      await settled();
      chore.resume();
      await settled();
      expect([world.runs, alarms.length]).toEqual([2, 2]);
    }));
});
