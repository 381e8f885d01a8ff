import type { Clock } from '../clock.ts';

/**
 * How long a piece of a body counts as on its way: what an upstream sends meanwhile goes together behind it. An
 * upstream's pieces have at most 64 KiB, and the edge pays for each message, hardly for its bytes.
 */
const GATHER_MS = 1;

/** Tells what has left the socket a little later, all together: a timer for each would cost as much as it spares. */
export class Gathered {
  readonly #clock: Clock;
  #tasks: (() => void)[] = [];
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(task: () => void): void {
    this.#tasks.push(task);
    this.#cancel ??= this.#clock.after(GATHER_MS, () => this.#run());
  }

  /** Nobody is to be told any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#tasks = [];
  }

  #run(): void {
    const tasks = this.#tasks;
    this.stop();
    for (const task of tasks) task();
  }
}
