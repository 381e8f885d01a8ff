import { expect, test } from 'vitest';
import { MUTANTS, mutationsOf } from './mutants.ts';
import { runAll } from './pool.ts';

/** As many as find the rarest of them, twice over. */
const RUNS = 400;

test.for(MUTANTS)('it is seen when $name', async (mutant) => {
  const mutations = mutationsOf(mutant);
  const { failed } = await runAll({ from: 1, runs: RUNS, workers: 2, say: () => {}, mutations });
  expect(failed.flatMap(({ violations }) => violations).join('\n')).toMatch(mutant.seenAs);
});
