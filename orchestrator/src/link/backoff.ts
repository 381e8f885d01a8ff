/** First wait, doubled by every failure in a row. */
const BASE_MS = 1_000;
/** In an outage's first minute an edge that is back is found within this, plus the dial … */
const EARLY_CAP_MS = 4_000;
const EARLY_MS = 60_000;
/** … and later within this: a long outage must not end in a herd of dials. */
const LATE_CAP_MS = 32_000;
/** A session that lasted this long ends the row of failures. */
const STABLE_MS = 30_000;
/** One that lasted this long ends the outage (its minute begins anew), though not yet the row. */
const RECOVERED_MS = 5_000;
/** No peer keeps us away for longer, whatever its Retry-After says. */
const FLOOR_MAX_MS = 300_000;

export interface BackoffOptions {
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * How long to wait before the next dial: full jitter, uniform from 0 to a cap that doubles.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  readonly #random: () => number;
  readonly #now: () => number;
  #failures = 0;
  #outageSince: number | undefined;
  #openSince: number | undefined;

  constructor({ random, now }: BackoffOptions) {
    this.#random = random;
    this.#now = now;
  }

  /** A session has been welcomed. */
  opened(): void {
    this.#openSince = this.#now();
  }

  /**
   * A dial failed or a session ended. @returns milliseconds to wait, `floorMs` at least: what the other side
   * asked for is kept, and jitter goes on top of it, since it may have asked the same of everybody.
   */
  next(floorMs = 0): number {
    const now = this.#now();
    this.#settle(now);
    this.#outageSince ??= now;
    const cap = now - this.#outageSince < EARLY_MS ? EARLY_CAP_MS : LATE_CAP_MS;
    const ceiling = Math.min(cap, BASE_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    return Math.min(floorMs, FLOOR_MAX_MS) + Math.floor(this.#random() * ceiling);
  }

  /** Takes the session that has just ended, if one had begun, into account. */
  #settle(now: number): void {
    if (this.#openSince === undefined) return;
    const lasted = now - this.#openSince;
    this.#openSince = undefined;
    if (lasted >= STABLE_MS) this.#failures = 0;
    if (lasted >= RECOVERED_MS) this.#outageSince = undefined;
  }
}
