import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { isStorageFault, LeaseLost } from './store/index.ts';

const INTERVAL_MS = 10 * 60_000;
/** Between two rounds while there is more to do: a million rows are gone in minutes, and nobody waits for long. */
const BUSY_INTERVAL_MS = 1_000;

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Each deletes what nobody needs any more, a bounded number of rows. @returns whether more are left */
  readonly tasks: readonly (() => boolean)[];
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** Keeps the store small: runs its tasks now, soon while there is more, else every ten minutes. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #cancel: () => void = () => {};

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#round();
  }

  stop(): void {
    this.#cancel();
  }

  #round(): void {
    const { clock, tasks, onLeaseLost } = this.#options;
    try {
      const more = tasks.map((task) => this.#run(task)).some((left) => left);
      this.#cancel = clock.after(more ? BUSY_INTERVAL_MS : INTERVAL_MS, () => this.#round());
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      onLeaseLost(error);
    }
  }

  /** One that fails is tried again in the next round. Throws `LeaseLost`. */
  #run(task: () => boolean): boolean {
    try {
      return task();
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      // While the store fails that is said elsewhere, once.
      if (!isStorageFault(error)) this.#options.log.error('the store could not be tidied', { error });
      return false;
    }
  }
}
