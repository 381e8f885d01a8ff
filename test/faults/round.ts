import type { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { edgeSide, vpsSide } from './oracle/collect.ts';
import { compareDead } from './oracle/compare.ts';
import { judge, type Verdict } from './oracle/judge.ts';
import type { Plan } from './plan.ts';
import type { Rig, WhileDead } from './rig.ts';
import type { Violation } from './violation.ts';

export interface Outcome {
  readonly plan: Plan;
  readonly verdict: Verdict;
  /** From when nothing is broken and nothing new is given until both sides agree. */
  readonly recoveryMs: number;
}

/** Gives the system work, breaks it meanwhile, mends it, and compares what was given with what became of it. */
export async function runRound(rig: Rig, given: Ledger, plan: Plan, withinMs?: number): Promise<Outcome> {
  const loaded = new AbortController();
  const load = new Load(rig, given, plan.round, plan.operations).run().finally(() => loaded.abort());
  // Awaited below, after the strikes; one of them may fail first.
  load.catch(() => undefined);
  const unkept: Violation[] = [];
  const whileDead: WhileDead = (dead) => {
    unkept.push(...compareDead(dead, edgeSide(rig), vpsSide(rig)));
  };
  for (const strike of plan.strikes) await rig.strike(strike, loaded.signal, whileDead);
  await Promise.all([load, rig.heal()]);
  const began = performance.now();
  const { violations, evidence } = await judge(rig, given, withinMs);
  const verdict = { violations: [...unkept, ...violations], evidence };
  return { plan, verdict, recoveryMs: performance.now() - began };
}
