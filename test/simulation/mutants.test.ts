import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { MUTANTS, mutationsOf } from './mutants.ts';
import { runAll } from './pool.ts';

/** As many as find the rarest of them several times over. */
const RUNS = 400;

test.for(MUTANTS)('it is seen when $name', async (mutant) => {
  const { failed } = await runAll({
    ...{ from: 1, runs: RUNS, workers: availableParallelism(), say: () => {} },
    mutations: mutationsOf(mutant),
    until: ({ violations }) => mutant.seenAs.test(violations.join('\n')),
    ...(mutant.only === undefined ? {} : { only: mutant.only }),
  });
  expect(failed.flatMap(({ violations }) => violations).join('\n')).toMatch(mutant.seenAs);
});
