import { expect, test } from 'vitest';
import { runSeries } from './series.ts';

/** Any would do: one that stays makes a failure the same tomorrow. Others are for `npm run faults`. */
const SEED = 20_261;
const ROUNDS = 10;

test(`${ROUNDS} rounds of faults under load: nothing is lost, done twice or stuck`, {
  timeout: 300_000,
}, async () => {
  const { tally, failed } = await runSeries({ seed: SEED, rounds: ROUNDS });
  console.log(`seed ${SEED}\n${tally}`);
  const replay = `npm run faults -- --seed ${SEED} --round ${failed?.plan.round}`;
  expect(failed?.verdict.violations ?? [], replay).toEqual([]);
  expect(tally.kills).toBeGreaterThanOrEqual(ROUNDS);
});
