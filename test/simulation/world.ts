import { createHash } from 'node:crypto';
import { Random } from './random.ts';

/** What the simulated machine throws when it loses power in the middle of something. */
class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

/** One simulated process: what it started ends with it. */
export class Process {
  readonly name: string;
  alive = true;
  /** Statements until the power goes; undefined: it stays. */
  cutAfter: number | undefined;
  /** What this machine's clock shows more than the world's, in milliseconds. */
  skewMs = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Called before each statement of its database. Throws `PowerCut` when the power is gone. */
  spend(): void {
    if (this.alive && this.cutAfter !== undefined && --this.cutAfter <= 0) this.alive = false;
    if (!this.alive) throw new PowerCut(`${this.name} has no power`);
  }
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly owner: Process | undefined;
  readonly run: () => unknown;
  cancelled: boolean;
}

/** Of the real world, kept before it is replaced. */
const realImmediate = setImmediate;
/** 2026-01-01: far from 0, so that a forgotten clock shows. */
const EPOCH_MS = 1_767_225_600_000;

/**
 * Simulated time. Everything that waits is a task with a time and an owner; the world runs one task at a time and
 * lets all promises settle behind it, so that a run depends on nothing but its seed.
 */
export class World {
  readonly random: Random;
  /** Milliseconds since the epoch, by the world's own clock. */
  now = EPOCH_MS;
  /** Whose code runs. */
  current: Process | undefined;
  /** Around each task of an owner: what it wrote and sent becomes visible when the task is over. */
  around: (owner: Process | undefined, run: () => Promise<void>) => Promise<void> = (_owner, run) => run();
  #tasks: Task[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get elapsedMs(): number {
    return this.now - EPOCH_MS;
  }

  /** Runs `run` after `ms` in the name of `owner`, unless that is dead by then. @returns what cancels it */
  after(ms: number, run: () => unknown, owner = this.current): () => void {
    const task: Task = {
      at: this.now + Math.max(0, ms),
      order: this.#order++,
      owner,
      run,
      cancelled: false,
    };
    insert(this.#tasks, task);
    return () => {
      task.cancelled = true;
    };
  }

  /** Does anything of this process wait? */
  waits(owner: Process): boolean {
    return this.#tasks.some((task) => task.owner === owner && !task.cancelled);
  }

  /** Runs the next task. @returns whether there was one before `until` */
  async step(until = Infinity): Promise<boolean> {
    for (;;) {
      const task = this.#tasks[0];
      if (task === undefined || task.at > until) return false;
      this.#tasks.shift();
      if (task.cancelled || task.owner?.alive === false) continue;
      this.now = Math.max(this.now, task.at);
      await this.act(task.owner, task.run);
      return true;
    }
  }

  /** Lets `ms` go by. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    while (await this.step(until));
    this.now = until;
  }

  /** Runs code in the name of a process, and what its promises bring about. A power cut ends it silently. */
  async act(owner: Process | undefined, run: () => unknown): Promise<void> {
    await this.around(owner, async () => {
      this.current = owner;
      try {
        const outcome = run();
        if (outcome instanceof Promise) {
          outcome.catch((error: unknown) => {
            if (owner?.alive !== false) this.failures.push(error);
          });
        }
      } catch (error) {
        if (owner?.alive !== false) this.failures.push(error);
      }
      await new Promise((resolve) => realImmediate(resolve));
      this.current = undefined;
    });
  }

  /** What nobody caught: a bug of the product or of the simulation. */
  readonly failures: unknown[] = [];
}

/** Keeps the tasks in order of time; of one time, in the order they were given. */
function insert(tasks: Task[], task: Task): void {
  let low = 0;
  let high = tasks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = tasks[middle] as Task; // low ≤ middle < high ≤ length.
    if (other.at <= task.at) low = middle + 1;
    else high = middle;
  }
  tasks.splice(low, 0, task);
}

let installed: World | undefined;

/** Puts this world's time and randomness in the place of the platform's, for good: one world at a time. */
export function inhabit(world: World): void {
  const first = installed === undefined;
  installed = world;
  if (!first) return;
  // Whoever starts something without waiting for it, as a process does with its own life, ends with the power.
  process.on('unhandledRejection', (error) => {
    if (!(error instanceof PowerCut)) installed?.failures.push(error);
  });
  const here = (): World => installed as World; // Set above, and never unset.
  const now = () => here().now + (here().current?.skewMs ?? 0);
  const later = (task: (...args: unknown[]) => unknown, ms = 0, ...args: unknown[]) =>
    here().after(ms, () => task(...args));
  const cancel = (timer: unknown) => {
    if (typeof timer === 'function') timer();
  };
  Object.assign(globalThis, {
    setTimeout: later,
    clearTimeout: cancel,
    setImmediate: (task: (...args: unknown[]) => unknown, ...args: unknown[]) => later(task, 0, ...args),
    clearImmediate: cancel,
  });
  Date.now = now;
  performance.now = () => here().elapsedMs;
  const uuid = (): string => {
    const hex = Buffer.from(here().random.bytes(16)).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
  // A thread pool would answer in an order of its own.
  Object.defineProperty(crypto.subtle, 'digest', {
    value: async (_algorithm: string, data: Uint8Array) =>
      Uint8Array.from(createHash('sha256').update(data).digest()).buffer,
  });
  Object.defineProperties(crypto, {
    randomUUID: { value: uuid },
    getRandomValues: {
      value: (array: Uint8Array) => {
        array.set(here().random.bytes(array.length));
        return array;
      },
    },
  });
}
