import type { Patience } from './patience.ts';
import type { SpentCalls } from './spent.ts';

/**
 * Cloudflare counts a call when it arrives: of two that were begun a window apart, the first may have been longer on its
 * way, and both are in one window there. One call too many blocks the token for five minutes.
 */
export const ON_THE_WAY_MS = 5_000;

/** So many calls in any window of so many ms. */
export interface BudgetShare {
  readonly calls: number;
  readonly windowMs: number;
}

/** Whatever a header or a clock that was put back says: a block lasts five minutes, and timers take no more than 24 days. */
const HOLD_MS_MAX = 3_600_000;

/**
 * This orchestrator's part of what its token may ask of Cloudflare: a call waits until one fits. Who is told to slow
 * down holds all others back as well, since past its limit a token is blocked for five minutes.
 * https://developers.cloudflare.com/fundamentals/api/reference/limits/
 */
export class CallBudget {
  readonly #now: () => number;
  readonly #wait: Patience['wait'];
  readonly #spent: SpentCalls | undefined;
  #share: BudgetShare;
  /** When the calls of the current window were made, oldest first. */
  #made: number[];
  #heldUntil: number;

  /** @param spent what outlives this process; a budget within another one has none */
  constructor(share: BudgetShare, now: () => number, wait: Patience['wait'], spent?: SpentCalls) {
    this.#share = share;
    this.#now = now;
    this.#wait = wait;
    this.#spent = spent;
    this.#made = spent?.recall() ?? [];
    this.#heldUntil = spent?.heldUntil ?? 0;
  }

  /** The edge has said what this orchestrator's part is. */
  set share(share: BudgetShare) {
    this.#share = share;
  }

  get share(): BudgetShare {
    return this.#share;
  }

  /** Resolves when a call may be made, and counts it; rejects when the signal aborts, or it cannot be written down. */
  async take(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#waitMs();
      if (waitMs <= 0) break;
      await this.#wait(waitMs, signal);
    }
    const now = this.#now();
    this.#spent?.spend(now - this.#countsMs);
    this.#made.push(now);
  }

  /** Nobody calls for so long. */
  hold(ms: number): void {
    const until = this.#now() + Math.min(ms, HOLD_MS_MAX);
    if (until <= this.#heldUntil) return;
    this.#heldUntil = until;
    this.#spent?.hold(until);
  }

  /** For how long a call counts from when it was begun. */
  get #countsMs(): number {
    return this.#share.windowMs + ON_THE_WAY_MS;
  }

  #waitMs(): number {
    const { calls } = this.#share;
    const windowMs = this.#countsMs;
    const now = this.#now();
    // Behind a clock that was put back, what was made is ahead of it: it counts from now.
    this.#made = this.#made.filter((at) => at > now - windowMs).map((at) => Math.min(at, now));
    this.#heldUntil = Math.min(this.#heldUntil, now + HOLD_MS_MAX);
    const blocking = this.#made.at(-calls);
    const full = this.#made.length >= calls && blocking !== undefined ? blocking + windowMs - now : 0;
    return Math.max(full, this.#heldUntil - now);
  }
}
