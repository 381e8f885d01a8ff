import { env } from 'cloudflare:workers';
import type { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { fresh } from '../edge.fixture.ts';
import { refuseFlood } from './rate.ts';

const from = (address: string) => new Headers({ 'cf-connecting-ip': address });
const outcome = (asked: Promise<void>) =>
  asked.then(
    () => 'in',
    ({ code }: Failure) => code,
  );

/** Lets each key in once. */
function once(): RateLimit {
  const seen = new Set<string>();
  return { limit: async ({ key }) => ({ success: seen.size < seen.add(key).size }) };
}

describe('the coarse limit at the edge', () => {
  it('is per site and per customer', async () => {
    const rate = once();
    const ask = (site: string, address: string) => outcome(refuseFlood(rate, site, from(address)));
    expect([await ask('a', '192.0.2.1'), await ask('a', '192.0.2.1')]).toEqual(['in', 'rate_limited']);
    expect([await ask('b', '192.0.2.1'), await ask('a', '192.0.2.2')]).toEqual(['in', 'in']);
    expect([await ask('a', '2001:db8::1'), await ask('a', '2001:db8::2')]).toEqual(['in', 'rate_limited']);
  });

  it('takes nobody down with it when it fails, or is not there', async () => {
    const broken: RateLimit = { limit: () => Promise.reject(new Error('no')) };
    expect(await outcome(refuseFlood(broken, 'a', from('192.0.2.1')))).toBe('in');
    expect(await outcome(refuseFlood(undefined, 'a', from('192.0.2.1')))).toBe('in');
  });

  it('is what production has: the platform’s own, which lets a customer in', async () => {
    expect(await outcome(refuseFlood(env.RELAY_RATE, fresh('shop'), from('192.0.2.1')))).toBe('in');
    expect(env.RELAY_RATE).toBeDefined();
  });
});
