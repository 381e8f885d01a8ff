import { Cloudflare } from './cloudflare.ts';
import { EdgeMachine, serve } from './edge/machine.ts';
import { Faults } from './faults.ts';
import { Load } from './load.ts';
import { judge } from './oracle.ts';
import { ORCHESTRATOR, OrchestratorMachine } from './orchestrator.ts';
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

/** Faults and load fall into this much time … */
const BUSY_MS = 8 * 60_000;
/** … and everything must be settled this long after the last of them: the longest backoffs and leases are in it. */
const HEAL_MS = 60 * 60_000;

/** One run from its seed: both sides, a network that fails, power that goes, and a judge. */
export async function simulate(seed: number, { traced }: { traced: boolean }): Promise<Outcome> {
  const world = new World(seed);
  inhabit(world);
  const trace = new Trace(() => world.elapsedMs, traced);
  trace.takeConsole();
  const edge = new EdgeMachine(world, `${ORCHESTRATOR}/0`);
  serve(edge);
  world.around = (owner, act) => (owner !== undefined && owner === edge.process ? edge.turn(act) : act());
  const faults = new Faults(world, trace);
  const cloudflare = new Cloudflare(world, (id) => faults.refuses(id));
  const orchestrator = new OrchestratorMachine({ world, edge, cloudflare, trace });
  const load = new Load({ world, edge, trace });
  try {
    await load.prepare();
    await orchestrator.boot();
    load.start(BUSY_MS);
    faults.start({ edge, orchestrator }, BUSY_MS);
    await settle(world, BUSY_MS, faults);
    await faults.heal();
    const until = world.now + HEAL_MS;
    while (!load.settled() && world.now < until && (await world.step(until))) await faults.tend();
    await world.pass(2 * 60_000);
    const violations = judge({ world, edge, orchestrator, cloudflare, load, faults });
    return {
      seed,
      violations,
      simulatedMs: world.elapsedMs,
      counts: { ...faults.counts, ...load.counts },
      trace: trace.lines,
    };
  } finally {
    orchestrator.cutPower();
  }
}

async function settle(world: World, ms: number, faults: Faults): Promise<void> {
  const until = world.now + ms;
  while (await world.step(until)) await faults.tend();
}
