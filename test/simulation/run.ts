import { Cloudflare } from './cloudflare.ts';
import { EdgeMachine, serve } from './edge/machine.ts';
import { type Fault, Faults } from './faults.ts';
import { Maker } from './load/maker.ts';
import { Operators } from './load/operators.ts';
import { Rows } from './load/rows.ts';
import { Losses } from './losses.ts';
import { type Evidence, isEnded, isQuiet, judge } from './oracle/index.ts';
import { ORCHESTRATOR, OrchestratorMachine } from './orchestrator.ts';
import { Recovery } from './recovery.ts';
import { Trace } from './trace.ts';
import { inhabit, World } from './world.ts';

/** How a run ended. */
export interface Outcome {
  readonly seed: number;
  /** Rules that were broken; none: the run is good. */
  readonly violations: readonly string[];
  readonly simulatedMs: number;
  /** What happened, counted by kind. */
  readonly counts: Readonly<Record<string, number>>;
  readonly trace: readonly string[];
}

export interface RunOptions {
  /** Keeps what happens, for somebody who reads it. */
  readonly traced: boolean;
  /** No other faults than these. */
  readonly only?: readonly Fault[] | undefined;
}

/** From the last fault on, everything must be settled in this time: the longest backoffs and leases are in it. */
const HEAL_MS = 60 * 60_000;
const LOOK_MS = 2_000;
/** What is quiet must stay as it is. */
const AFTER_MS = 5_000;

/** One run from its seed: both sides, a network that fails, power that goes, and a judge. */
export async function simulate(seed: number, { traced, only }: RunOptions): Promise<Outcome> {
  const world = new World(seed);
  inhabit(world);
  const trace = new Trace(() => world.elapsedMs, traced);
  trace.takeConsole();
  const { edge, faults, rows, ...parts } = build(world, trace);
  const { orchestrator, operators, maker, recovery, accusations, evidence } = parts;
  const { ms, acts, most } = sizeOf(world);
  try {
    await operators.prepare();
    orchestrator.boot();
    operators.start(ms, acts);
    maker.start(ms, Math.ceil(acts / 3));
    rows.start(ms, Math.ceil(acts / 3));
    faults.start({ edge, orchestrator, recovery }, ms, most, only);
    await pass(world, ms, faults);
    faults.heal();
    rows.heal();
    operators.deployOnceMore();
    await untilQuiet(evidence, faults);
    operators.replayLetters();
    await untilQuiet(evidence, faults);
    await pass(world, AFTER_MS, faults);
    return {
      seed,
      violations: [...accusations, ...judge(evidence)],
      simulatedMs: world.elapsedMs,
      counts: { ...faults.counts, ...operators.counts, ...maker.counts, ...rows.counts },
      trace: trace.lines,
    };
  } finally {
    orchestrator.cutPower();
  }
}

/** Most runs are short, with little in them; one in fifty is long. */
function sizeOf({ random }: World): { ms: number; acts: number; most: number } {
  if (random.chance(0.02)) return { ms: random.int(5, 20) * 60_000, acts: random.int(15, 40), most: 20 };
  return { ms: random.int(5, 45) * 1_000, acts: random.int(1, 5), most: 5 };
}

function build(world: World, trace: Trace) {
  const edge = new EdgeMachine(world, `${ORCHESTRATOR}/0`);
  serve(edge);
  world.around = (owner, act) => (owner !== undefined && owner === edge.process ? edge.turn(act) : act());
  const faults = new Faults(world, trace);
  const rows = new Rows(world, edge);
  const accusations: string[] = [];
  const cloudflare = new Cloudflare(
    world,
    (id) => faults.refuses(id),
    (id) => isEnded(edge, id) && accusations.push(`${id} was uploaded when it had ended`),
  );
  const orchestrator = new OrchestratorMachine({
    ...{ world, edge, cloudflare, trace },
    rowFails: (row) => rows.fails(row),
    accuse: (what) => accusations.push(what),
  });
  const operators = new Operators({ world, edge, trace });
  const maker = new Maker(world, orchestrator);
  const losses = new Losses();
  const recovery = new Recovery({ world, edge, orchestrator, losses, trace });
  const evidence: Evidence = { world, edge, orchestrator, cloudflare, operators, maker, losses };
  return { edge, orchestrator, faults, rows, operators, maker, recovery, accusations, evidence };
}

async function pass(world: World, ms: number, faults: Faults): Promise<void> {
  const until = world.now + ms;
  while (await world.step(until)) faults.tend();
  world.now = Math.max(world.now, until);
}

/** Until all is quiet, or too much time has gone: then the judge says what is stuck. */
async function untilQuiet(evidence: Evidence, faults: Faults): Promise<void> {
  const { world } = evidence;
  const until = world.now + HEAL_MS;
  do await pass(world, LOOK_MS, faults);
  while (world.now < until && !isQuiet(evidence));
}
