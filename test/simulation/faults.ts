import type { EdgeMachine } from './edge/machine.ts';
import type { OrchestratorMachine } from './orchestrator.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

interface Machines {
  readonly edge: EdgeMachine;
  readonly orchestrator: OrchestratorMachine;
}

const FAULTS = [
  'connection cut',
  'half open',
  'edge power',
  'edge power in a turn',
  'orchestrator power',
  'orchestrator power in a statement',
  'object asleep',
  'D1 trouble',
  'clock jump',
  'second process',
] as const;
type Fault = (typeof FAULTS)[number];

/** What goes wrong, and when: chosen by the seed, a mix of its own for each run. */
export class Faults {
  readonly counts: Record<string, number> = {};
  readonly #world: World;
  readonly #trace: Trace;
  #machines: Machines | undefined;
  #ended = false;
  #booting = false;
  readonly #refused = new Map<string, boolean>();

  constructor(world: World, trace: Trace) {
    this.#world = world;
    this.#trace = trace;
  }

  /** A few deployments are refused outside, for good. */
  refuses(commandId: string): boolean {
    const known = this.#refused.get(commandId) ?? this.#world.random.chance(0.1);
    this.#refused.set(commandId, known);
    return known;
  }

  start(machines: Machines, ms: number): void {
    this.#machines = machines;
    const { random } = this.#world;
    const kinds = FAULTS.filter(() => random.chance(0.5));
    if (kinds.length === 0) return;
    for (let left = random.int(1, 12); left > 0; left--) {
      const kind = random.pick(kinds);
      this.#world.after(random.int(0, ms), () => this.#strike(kind), undefined);
    }
  }

  /** After each step: what has lost its power comes back after a while. */
  async tend(): Promise<void> {
    const { orchestrator } = this.#known();
    orchestrator.bury();
    if (orchestrator.processes.length > 0 || this.#booting) return;
    this.#booting = true;
    this.#world.after(
      this.#world.random.int(100, 20_000),
      () => {
        this.#booting = false;
        orchestrator.boot();
      },
      undefined,
    );
  }

  /** Nothing goes wrong any more. */
  async heal(): Promise<void> {
    this.#ended = true;
    const { edge, orchestrator } = this.#known();
    edge.d1.mood = 'ok';
    edge.process.cutAfter = undefined;
    for (const process of orchestrator.processes) process.cutAfter = undefined;
    this.#trace.note('healed');
  }

  #strike(kind: Fault): void {
    if (this.#ended) return;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.#trace.note(`fault: ${kind}`);
    const { edge, orchestrator } = this.#known();
    const { random } = this.#world;
    switch (kind) {
      case 'connection cut':
        for (const connection of orchestrator.connections) connection.cut();
        return;
      case 'half open':
        for (const connection of orchestrator.connections) connection.deafen(random.pick(['a', 'b']));
        return;
      case 'edge power':
        edge.cutPower();
        return;
      case 'edge power in a turn':
        edge.process.cutAfter = random.int(1, 60);
        return;
      case 'orchestrator power':
        orchestrator.cutPower();
        return;
      case 'orchestrator power in a statement':
        for (const process of orchestrator.processes) process.cutAfter = random.int(1, 60);
        return;
      case 'object asleep':
        edge.hibernate();
        return;
      case 'D1 trouble':
        edge.d1.mood = random.pick(['failing', 'slow']);
        this.#world.after(
          random.int(1_000, 120_000),
          () => {
            edge.d1.mood = 'ok';
          },
          undefined,
        );
        return;
      case 'clock jump':
        for (const process of orchestrator.processes) process.skewMs += random.int(-3_600_000, 3_600_000);
        return;
      case 'second process':
        void orchestrator.boot();
        return;
      default:
        kind satisfies never;
    }
  }

  #known(): Machines {
    if (this.#machines === undefined) throw new Error('faults before machines');
    return this.#machines;
  }
}
