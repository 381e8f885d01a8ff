/**
 * `npm run faults -- --rounds 500 --seed 7`: breaks a running system as often as that and checks after each time
 * that nothing was lost. `--round 12` runs that one alone. Exit 1 when something was lost, or done twice, or stuck.
 */
import { parseArgs } from 'node:util';
import type { Outcome } from './round.ts';
import { runSeries } from './series.ts';

const USAGE = 'npm run faults -- [--rounds <n>] [--seed <n>] [--round <the only one>]';

function asked() {
  try {
    return parseArgs({
      options: { rounds: { type: 'string' }, seed: { type: 'string' }, round: { type: 'string' } },
    }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exit(2);
  }
}
const values = asked();

function whole(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`--${name} ${text}: expected a whole number`);
  process.exit(2);
}

const seed = whole('seed', values.seed, Math.floor(Math.random() * 1_000_000));
const from = whole('round', values.round, 0);
const rounds = values.round === undefined ? whole('rounds', values.rounds, 40) : 1;

function say({ plan, verdict, recoveryMs }: Outcome): void {
  const faults = plan.strikes.map(({ fault }) =>
    fault.kind === 'kill' ? fault.victims.join('+') : fault.kind,
  );
  const end = verdict.violations.length === 0 ? 'ok' : 'WRONG';
  console.log(`round ${plan.round}: ${faults.join(', ')}: ${end} after ${Math.round(recoveryMs)} ms`);
}

console.log(`seed ${seed}`);
const { tally, failed } = await runSeries({ seed, rounds, from, onRound: say });
console.log(`\n${tally}`);
if (failed !== undefined) {
  const { plan, verdict } = failed;
  for (const { kind, what } of verdict.violations) console.error(`${kind}: ${what}`);
  console.error(`Replay this round with: npm run faults -- --seed ${seed} --round ${plan.round}`);
  console.error(JSON.stringify(plan));
}
process.exit(failed === undefined ? 0 : 1);
