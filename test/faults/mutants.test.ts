import { expect, test } from 'vitest';
import { MUTANTS, mutationsOf } from './mutants.ts';
import { runSeries } from './series.ts';

/** A build that is broken is found long before this many. */
const ROUNDS_MAX = 40;
/** What is only late agrees in a later round; what is lost never does. */
const AGREE_WITHIN_MS = 3_000;
/** Chosen for rounds that come to the point soon. */
const SEED = 5;

test.for(MUTANTS)('a build in which $name is found to be broken', { timeout: 180_000 }, async (mutant) => {
  const { failed } = await runSeries({
    seed: SEED,
    from: mutant.from,
    rounds: ROUNDS_MAX,
    mutations: mutationsOf(mutant),
    agreeWithinMs: AGREE_WITHIN_MS,
    until: mutant.seenAs,
  });
  expect(failed, `within ${ROUNDS_MAX} rounds`).toBeDefined();
});
