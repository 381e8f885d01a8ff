import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { runAll } from './pool.ts';

const RUNS = 1_500;

test('whatever fails and whenever, all that was acknowledged is applied once, on both sides and in D1', async () => {
  const { failed } = await runAll({ from: 1, runs: RUNS, workers: availableParallelism(), say: console.log });
  expect(failed.map(({ seed, violations }) => `seed ${seed}: ${violations.join('; ')}`)).toEqual([]);
}, 300_000);
