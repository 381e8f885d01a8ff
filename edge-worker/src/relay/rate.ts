import { Failure } from '@clawdbot/protocol';
import { customerOf } from './customer.ts';

/** The period in wrangler.jsonc. The platform does not tell how much of it is left, so it is told whole. */
const PERIOD_MS = 10_000;

/**
 * Holds off one address that floods one site, before its request costs more than a look at the directory. Coarse, since
 * each of Cloudflare's locations counts for itself; the object counts exactly (channel/quota.ts).
 * Throws `Failure('rate_limited')`.
 */
export async function refuseFlood(
  rate: RateLimit | undefined,
  siteId: string,
  headers: Headers,
): Promise<void> {
  if (rate === undefined) return;
  const address = headers.get('cf-connecting-ip');
  if (address === null) return;
  if (await isWithin(rate, `${siteId} ${customerOf(address)}`)) return;
  throw new Failure('rate_limited', 'this address asks too often', {
    retryAfterMs: PERIOD_MS,
    execution: 'not_started',
  });
}

/** A limiter that fails must not take the sites down with it. */
async function isWithin(rate: RateLimit, key: string): Promise<boolean> {
  try {
    return (await rate.limit({ key })).success;
  } catch (error) {
    console.error('the rate limit could not be asked', error);
    return true;
  }
}
