import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pair } from './pair.ts';
import { type Step, steps } from './steps.ts';
import type { UseSql } from './use.ts';

export function describeTogether(use: UseSql): void {
  describe('sender and receiver together', () => {
    for (const lazyPositions of [false, true]) {
      it(`settle every entry once, in order, whatever happens to them (lazy positions: ${lazyPositions})`, async () => {
        await fc.assert(
          fc.asyncProperty(steps(lazyPositions), async (taken) => {
            await use((sql) => settled(new Pair(sql, lazyPositions), taken));
          }),
          { numRuns: 150 },
        );
      }, 60_000);
    }
  });
}

function settled(pair: Pair, taken: readonly Step[]): void {
  for (const step of taken) pair.apply(step);
  pair.settle();
  expect(pair.unsettled()).toEqual([]);
  expect(pair.disorder()).toEqual([]);
}
