import { expect, test } from 'vitest';
import { MUTANTS, mutationsOf } from './mutants.ts';
import { runSeries } from './series.ts';

/** A build that is broken is found long before this many. */
const ROUNDS_MAX = 30;
/** Longer than Cloudflare's stand-in may keep a deployment waiting after its SIGKILL. */
const AGREE_WITHIN_MS = 12_000;
const SEED = 5;

test.for(MUTANTS)('a build in which $name is found to be broken', { timeout: 180_000 }, async (mutant) => {
  const { failed } = await runSeries({
    seed: SEED,
    rounds: ROUNDS_MAX,
    mutations: mutationsOf(mutant),
    agreeWithinMs: AGREE_WITHIN_MS,
  });
  const found = failed?.verdict.violations ?? [];
  expect(found).toContainEqual({ kind: mutant.seenAs, what: expect.any(String) });
});
