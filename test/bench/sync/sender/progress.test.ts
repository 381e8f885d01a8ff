import { describe, expect, it } from 'vitest';
import { Progress } from './progress.ts';

describe('a position that is waited for', () => {
  it('wakes whoever waits for it or for less, and nobody else', async () => {
    const progress = new Progress();
    const reached: number[] = [];
    const waits = [3, 1, 2].map(async (position) => {
      await progress.reaches(position);
      reached.push(position);
    });
    progress.moveTo(2);
    await Promise.all(waits.slice(1));
    expect(reached).toEqual([1, 2]);
    progress.moveTo(3);
    await waits[0];
    expect(reached).toEqual([1, 2, 3]);
  });

  it('never moves back, and what was reached is not waited for', async () => {
    const progress = new Progress();
    progress.moveTo(5);
    progress.moveTo(4);
    expect(progress.position).toBe(5);
    await expect(progress.reaches(5)).resolves.toBeUndefined();
  });
});
