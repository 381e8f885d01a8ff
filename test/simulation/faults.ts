import type { EdgeMachine } from './edge/machine.ts';
import type { OrchestratorMachine } from './orchestrator.ts';
import type { Recovery } from './recovery.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

interface Machines {
  readonly edge: EdgeMachine;
  readonly orchestrator: OrchestratorMachine;
  readonly recovery: Recovery;
}

/** These lose what the rules are about, and so weaken them: most runs do without, and none has two kinds. */
const DISASTERS = ['VPS restored', 'VPS erased', 'object restored'] as const;
export type Fault = (typeof FAULTS | typeof DISASTERS)[number];
const DISASTER_SHARE = 0.2;

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
  'stale socket',
] as const;

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

  /** So many faults at most, spread over so much time; of `only` these kinds, if they are named. */
  start(machines: Machines, ms: number, most: number, only?: readonly Fault[]): void {
    this.#machines = machines;
    const { random } = this.#world;
    const kinds = only ?? this.#someKinds();
    if (kinds.length === 0) return;
    if (kinds.some((kind) => DISASTERS.some((disaster) => disaster === kind))) {
      for (let copies = random.int(1, 3); copies > 0; copies--)
        this.#world.after(random.int(0, ms), () => machines.recovery.copy(), undefined);
    }
    for (let left = random.int(1, most); left > 0; left--) {
      const kind = random.pick(kinds);
      this.#world.after(random.int(0, ms), () => this.#strike(kind), undefined);
    }
  }

  #someKinds(): Fault[] {
    const { random } = this.#world;
    const kinds: Fault[] = FAULTS.filter(() => random.chance(0.5));
    if (random.chance(DISASTER_SHARE)) kinds.push(random.pick(DISASTERS));
    return kinds;
  }

  /** After each step: what has lost its power comes back after a while. */
  tend(): void {
    const { orchestrator, recovery } = this.#known();
    orchestrator.bury();
    if (orchestrator.processes.length > 0 || this.#booting || recovery.busy) return;
    this.#booting = true;
    this.#world.after(
      this.#world.random.int(100, 20_000),
      () => {
        this.#booting = false;
        if (!recovery.busy && orchestrator.processes.length === 0) orchestrator.boot();
      },
      undefined,
    );
  }

  /** Nothing goes wrong any more. */
  heal(): void {
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
    const { edge, orchestrator, recovery } = this.#known();
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
        if (orchestrator.processes.length > 0) orchestrator.boot();
        return;
      case 'stale socket':
        for (const connection of orchestrator.connections) connection.linger();
        return;
      case 'VPS restored':
        void recovery.restoreVps();
        return;
      case 'VPS erased':
        void recovery.eraseVps();
        return;
      case 'object restored':
        recovery.restoreObject();
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
