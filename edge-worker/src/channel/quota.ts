import { Failure, type HeaderList, type Limit, type Limits } from '@clawdbot/protocol';
import { customerOf } from '../relay/customer.ts';

/** Customers counted at a time, some 5 MB. Above it those who have asked least lately are counted anew. */
const CUSTOMERS_MAX = 20_000;
/** More sites than one orchestrator has. */
const SITES_MAX = 5_000;

export interface QuotaPorts {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Counts a site's requests, all together and per customer, and refuses those above its limits. In memory: an object that
 * was idle for so long that it sleeps, or was moved, begins anew. No timer: what has run out is seen when it is asked.
 */
export class Quota {
  readonly #now: () => number;
  /** Times are kept as from here: parts of a millisecond are lost in numbers as large as the epoch's. */
  readonly #startedAt: number;
  readonly #sites = new Buckets(SITES_MAX);
  readonly #customers = new Buckets(CUSTOMERS_MAX);

  constructor({ now }: QuotaPorts) {
    this.#now = now;
    this.#startedAt = now();
  }

  /**
   * Takes one request, or throws `Failure('rate_limited')` with the time after which there is room for one: then
   * nothing of either limit was used up.
   * @param visitor whose request it is, where the site's own Worker has proven that; else whoever sent it
   */
  take(siteId: string, limits: Limits | undefined, headers: HeaderList, visitor?: string): void {
    if (limits === undefined) return;
    const counts = this.#counts(siteId, limits, visitor ?? addressOf(headers));
    const now = this.#now() - this.#startedAt;
    const waitMs = Math.max(0, ...counts.map(({ buckets, key, limit }) => buckets.waitMs(key, limit, now)));
    if (waitMs > 0) throw limited(siteId, waitMs);
    for (const { buckets, key, limit } of counts) buckets.take(key, limit, now);
  }

  #counts(siteId: string, { site, customer }: Limits, address: string | undefined) {
    return [
      ...(site === undefined ? [] : [{ buckets: this.#sites, key: siteId, limit: site }]),
      ...(customer === undefined || address === undefined
        ? []
        : [{ buckets: this.#customers, key: `${siteId} ${customerOf(address)}`, limit: customer }]),
    ];
  }
}

/** The Worker sets it, to one address, and drops what a customer says. */
const addressOf = (headers: HeaderList): string | undefined =>
  headers.find(([name]) => name === 'x-forwarded-for')?.[1];

const limited = (siteId: string, retryAfterMs: number) =>
  new Failure('rate_limited', `the site "${siteId}" takes no more requests for now (its config's limits)`, {
    retryAfterMs,
    execution: 'not_started',
  });

/**
 * A leaky bucket per key (the generic cell rate algorithm, ITU-T I.371), of which only the time is kept at which it
 * will have run out. One that has is as good as one that was never there, and may be forgotten.
 */
class Buckets {
  readonly #emptyAt = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** How long until there is room for one more; 0 now. */
  waitMs(key: string, limit: Limit, now: number): number {
    const { periodMs, eachMs } = timesOf(limit);
    const tooFullMs = this.#levelMs(key, periodMs, now) + eachMs - periodMs;
    return Math.max(0, Math.ceil(tooFullMs - ROUNDING_MS));
  }

  take(key: string, limit: Limit, now: number): void {
    const { periodMs, eachMs } = timesOf(limit);
    const emptyAt = now + this.#levelMs(key, periodMs, now) + eachMs;
    // Behind all others: those in front are the ones who have asked least lately.
    this.#emptyAt.delete(key);
    this.#makeRoom(now);
    this.#emptyAt.set(key, emptyAt);
  }

  /** How full it is, as the time that it takes to run out. Never above the period, which may have become shorter. */
  #levelMs(key: string, periodMs: number, now: number): number {
    return Math.min(periodMs, Math.max(0, (this.#emptyAt.get(key) ?? 0) - now));
  }

  #makeRoom(now: number): void {
    if (this.#emptyAt.size < this.#most) return;
    for (const [key, emptyAt] of this.#emptyAt) if (emptyAt <= now) this.#emptyAt.delete(key);
    for (const key of this.#emptyAt.keys()) {
      // A tenth at once, so that a flood of addresses does not look through all of them with each request.
      if (this.#emptyAt.size < this.#most * 0.9) return;
      this.#emptyAt.delete(key);
    }
  }
}

/** A third of a second, three times, is not quite a second. */
const ROUNDING_MS = 0.01;

const timesOf = ({ requests, periodS }: Limit) => {
  const periodMs = periodS * 1_000;
  return { periodMs, eachMs: periodMs / requests };
};
