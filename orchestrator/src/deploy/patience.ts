/** What repeats and pauses need from outside. */
export interface Patience {
  /** Resolves after so many ms; rejects when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
}
