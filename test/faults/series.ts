import { Ledger } from './ledger.ts';
import { drawPlan } from './plan.ts';
import { Rig, type RigOptions } from './rig.ts';
import { type Outcome, runRound } from './round.ts';
import { Tally } from './tally.ts';
import type { Violation } from './violation.ts';

export interface SeriesOptions extends RigOptions {
  readonly seed: number;
  readonly rounds: number;
  /** The first one's number: what a round does is drawn from the seed and its number. */
  readonly from?: number;
  /** How long the two sides may take to agree; a test that expects them not to need not wait for long. */
  readonly agreeWithinMs?: number;
  /** What ends the series; without it anything that is wrong. */
  readonly until?: Violation['kind'];
  /** Told after each round. */
  readonly onRound?: (outcome: Outcome) => void;
}

/** Rounds on one running system, until one of them finds something wrong. */
export async function runSeries(
  options: SeriesOptions,
): Promise<{ tally: Tally; failed: Outcome | undefined }> {
  const { seed, rounds, from = 0, agreeWithinMs, until, onRound = () => undefined } = options;
  const ends = ({ kind }: Violation) => until === undefined || kind === until;
  const rig = await Rig.start(options);
  const given = new Ledger();
  const tally = new Tally();
  try {
    for (let round = from; round < from + rounds; round += 1) {
      const outcome = await runRound(rig, given, drawPlan(seed, round), agreeWithinMs);
      tally.add(outcome, given);
      onRound(outcome);
      if (outcome.verdict.violations.some(ends)) return { tally, failed: outcome };
    }
    return { tally, failed: undefined };
  } finally {
    await rig.stop();
  }
}
