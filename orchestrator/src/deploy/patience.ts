/** What repeats and pauses need from outside. */
export interface Patience {
  /** Resolves after so many ms; rejects when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
}

/**
 * What ends a write: between its attempts whoever cancels, but on its way only the end of the process. One that was
 * broken off may still be carried out, when what was there has been looked at already.
 */
export interface Ends {
  readonly signal: AbortSignal;
  readonly stop: AbortSignal;
}
