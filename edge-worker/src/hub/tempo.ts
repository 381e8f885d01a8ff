/** Evenly spread, one of so many: eight a second. */
const STEP_MS = 125;
/** After a quiet while three go at once: an edit that is taken, carried out and followed by a status is seen as it happens. */
const AHEAD_MS = 2 * STEP_MS;
/** What happens within this goes out together. */
const GATHER_MS = 10;

/**
 * How often dashboards are told: at most ten times a second, and of what comes alone at once. The generic cell rate
 * algorithm (ITU-T I.371), with one number for its state.
 */
export class Tempo {
  #lastAt = -Infinity;
  /** When the next one would be due if all had been spread evenly. */
  #dueAt = -Infinity;

  /** How long the next one has to wait, in milliseconds. */
  wait(now: number): number {
    return Math.max(0, this.#lastAt + GATHER_MS - now, this.#dueAt - AHEAD_MS - now);
  }

  /** One goes out. */
  spend(now: number): void {
    this.#lastAt = now;
    this.#dueAt = Math.max(this.#dueAt, now) + STEP_MS;
  }
}
