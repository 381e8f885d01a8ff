/** A token bucket per address. */
export interface RateLimit {
  /** Takes one. @returns 0, or how many ms to wait */
  take(address: string): number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Addresses remembered; the local API has few, so more is a flood, and forgetting some helps nobody much. */
const ADDRESSES_MAX = 1_000;

export function createRateLimit(options: {
  readonly perSecond: number;
  readonly burst: number;
  /** Milliseconds, from any start. */
  readonly now: () => number;
}): RateLimit {
  const { perSecond, burst, now } = options;
  const buckets = new Map<string, Bucket>();

  function bucketOf(address: string): Bucket {
    const known = buckets.get(address);
    if (known !== undefined) return known;
    const oldest = buckets.keys().next().value;
    if (buckets.size >= ADDRESSES_MAX && oldest !== undefined) buckets.delete(oldest);
    const fresh = { tokens: burst, at: now() };
    buckets.set(address, fresh);
    return fresh;
  }

  return {
    take(address) {
      const bucket = bucketOf(address);
      const elapsedS = Math.max(0, now() - bucket.at) / 1_000;
      bucket.tokens = Math.min(burst, bucket.tokens + elapsedS * perSecond);
      bucket.at = now();
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1_000);
      bucket.tokens -= 1;
      return 0;
    },
  };
}
