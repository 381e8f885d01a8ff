import { Tempo } from './tempo.ts';

export interface PaceOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Runs a task once, later; the timer keeps the object from hibernating for its moment. */
  readonly after: (ms: number, task: () => void) => void;
  /** Tells all that has changed since the last time. */
  readonly flush: () => void;
}

/** Gathers changes, so that a burst is one update; a single one goes out at once. */
export class Pace {
  readonly #options: PaceOptions;
  readonly #tempo = new Tempo();
  #scheduled = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Something has changed. */
  note(): void {
    if (this.#scheduled) return;
    const wait = this.#tempo.wait(this.#options.now());
    this.#scheduled = wait > 0;
    if (this.#scheduled) this.#options.after(wait, () => this.#flush());
    else this.#flush();
  }

  #flush(): void {
    this.#scheduled = false;
    this.#tempo.spend(this.#options.now());
    this.#options.flush();
  }
}
