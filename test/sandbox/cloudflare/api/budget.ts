/** How many calls a token may make in a window. */
export interface BudgetOptions {
  calls: number;
  windowMs: number;
}

/**
 * 1,200 calls per five minutes and token, then everything is blocked for the next five minutes:
 * developers.cloudflare.com/fundamentals/api/reference/limits.
 */
export const CLOUDFLARE_BUDGET: BudgetOptions = { calls: 1200, windowMs: 300_000 };

interface Spent {
  windowEndsAt: number;
  calls: number;
  blockedUntil: number;
}

/** Counts calls per token in fixed windows that begin with a token's first call. Kept in memory only. */
export class CallBudget {
  private readonly spent = new Map<string, Spent>();
  private readonly options: BudgetOptions;
  private readonly now: () => number;

  constructor(options: BudgetOptions, now: () => number) {
    this.options = options;
    this.now = now;
  }

  /** Counts one call; the answer is how long to wait in ms: 0 when the call may go on. */
  take(token: string): number {
    const now = this.now();
    const spent = this.windowOf(token, now);
    if (spent.blockedUntil > now) return spent.blockedUntil - now;
    spent.calls += 1;
    if (spent.calls <= this.options.calls) return 0;
    spent.blockedUntil = now + this.options.windowMs;
    return this.options.windowMs;
  }

  private windowOf(token: string, now: number): Spent {
    const known = this.spent.get(token);
    if (known && (known.windowEndsAt > now || known.blockedUntil > now)) return known;
    const fresh = { windowEndsAt: now + this.options.windowMs, calls: 0, blockedUntil: 0 };
    this.spent.set(token, fresh);
    return fresh;
  }
}
