import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { isStorageFault, LeaseLost } from './store/index.ts';

const INTERVAL_MS = 10 * 60_000;

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Each deletes what nobody needs any more. */
  readonly tasks: readonly (() => void)[];
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** Keeps the store small: runs its tasks now and every ten minutes. One that fails is tried again then. */
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
    const { clock, log, tasks, onLeaseLost } = this.#options;
    this.#cancel = clock.after(INTERVAL_MS, () => this.#round());
    for (const task of tasks) {
      try {
        task();
      } catch (error) {
        if (error instanceof LeaseLost) {
          this.stop();
          onLeaseLost(error);
          return;
        }
        // While the store fails that is said elsewhere, once.
        if (!isStorageFault(error)) log.error('the store could not be tidied', { error });
      }
    }
  }
}
