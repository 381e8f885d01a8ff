/** At most 10 updates a second to an organisation's dashboards: what comes faster goes out together. */
export const UPDATE_INTERVAL_MS = 100;

export interface PaceOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Runs a task once, later; the timer keeps the object from hibernating for its 100 ms at most. */
  readonly after: (ms: number, task: () => void) => void;
  /** Tells all that has changed since the last time. */
  readonly flush: () => void;
}

/** Gathers changes, so that a burst is one update; a single one goes out at once. */
export class Pace {
  readonly #options: PaceOptions;
  #flushedAt = -Infinity;
  #scheduled = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Something has changed. */
  note(): void {
    if (this.#scheduled) return;
    const wait = this.#flushedAt + UPDATE_INTERVAL_MS - this.#options.now();
    this.#scheduled = wait > 0;
    if (this.#scheduled) this.#options.after(wait, () => this.#flush());
    else this.#flush();
  }

  #flush(): void {
    this.#scheduled = false;
    this.#flushedAt = this.#options.now();
    this.#options.flush();
  }
}
