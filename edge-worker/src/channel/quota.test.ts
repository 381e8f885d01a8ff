import { Failure, type HeaderList, type Limits, siteConfig } from '@clawdbot/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Quota } from './quota.ts';

const from = (address: string): HeaderList => [['x-forwarded-for', address]];

/** A quota on a clock that the test holds; asking gives 0, or how long to wait. */
function counting(limits: Limits | undefined, startMs = 1_760_000_000_123) {
  const clock = { now: startMs };
  const quota = new Quota({ now: () => clock.now });
  const ask = (headers: HeaderList = [], siteId = 'shop', now: Limits | undefined = limits): number => {
    try {
      quota.take(siteId, now, headers);
      return 0;
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.code !== 'rate_limited') throw thrown;
      return thrown.details.retryAfterMs ?? Number.NaN;
    }
  };
  return { clock, ask };
}

describe('a quota', () => {
  it('of a site is shared by its customers, and comes back evenly over the period', () => {
    const { clock, ask } = counting({ site: { requests: 3, periodS: 1 } });
    expect([ask(from('a')), ask(from('b')), ask(from('c')), ask(from('d'))]).toEqual([0, 0, 0, 334]);
    clock.now += 333;
    expect(ask()).toBe(1);
    clock.now += 1;
    expect([ask(), ask()]).toEqual([0, 333]);
    clock.now += 10_000;
    expect([ask(), ask(), ask(), ask()]).toEqual([0, 0, 0, 334]);
  });

  it('of a customer is that one’s at that site alone', () => {
    const { ask } = counting({ customer: { requests: 1, periodS: 60 } });
    expect([ask(from('192.0.2.1')), ask(from('192.0.2.1'))]).toEqual([0, 60_000]);
    expect([ask(from('192.0.2.2')), ask(from('192.0.2.1'), 'other')]).toEqual([0, 0]);
  });

  it('counts a customer’s IPv6 network as one', () => {
    const { ask } = counting({ customer: { requests: 1, periodS: 60 } });
    expect([ask(from('2001:db8:0:1::1')), ask(from('2001:db8:0:1:ffff::2'))]).toEqual([0, 60_000]);
    expect(ask(from('2001:db8:0:2::1'))).toBe(0);
  });

  it('that refuses uses up nothing of the other', () => {
    const { ask } = counting({
      site: { requests: 2, periodS: 60 },
      customer: { requests: 1, periodS: 60 },
    });
    expect([ask(from('a')), ask(from('a')), ask(from('a')), ask(from('b'))]).toEqual([0, 60_000, 60_000, 0]);
    expect(ask(from('c'))).toBe(30_000);
  });

  it('is none where the config has no limits', () => {
    const { ask } = counting(undefined);
    expect(Array.from({ length: 1_000 }, () => ask(from('a'))).every((wait) => wait === 0)).toBe(true);
  });

  it('that was made smaller keeps nobody waiting longer than its own period', () => {
    const { ask } = counting({ site: { requests: 1, periodS: 3_600 } });
    expect([ask(), ask()]).toEqual([0, 3_600_000]);
    expect(ask([], 'shop', { site: { requests: 1, periodS: 1 } })).toBe(1_000);
  });

  it('keeps count of no more customers than there is room for, and of those who asked last', () => {
    const { ask } = counting({ customer: { requests: 1, periodS: 3_600 } });
    expect(ask(from('first'))).toBe(0);
    for (let n = 0; n < 20_000; n++) ask(from(`10.0.${n >> 8}.${n & 255}`));
    expect(ask(from('10.0.78.31'))).toBeGreaterThan(0);
    expect(ask(from('first'))).toBe(0);
  });

  it('lets through what its limit says in whatever window, and tells exactly how long to wait', () => {
    const limit = fc.record({
      requests: fc.integer({ min: 1, max: 40 }),
      periodS: fc.integer({ min: 1, max: 60 }),
    });
    const gaps = fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 200 });
    const run = fc.property(limit, gaps, (site, waits) => {
      const { clock, ask } = counting({ site });
      const periodMs = site.periodS * 1_000;
      const letIn: number[] = [];
      for (const gap of waits) {
        clock.now += gap;
        const before = letIn.filter((at) => at > clock.now - periodMs).length;
        const waitMs = ask();
        // Whoever has asked for less than the limit in a period is never refused.
        if (before < site.requests) expect(waitMs).toBe(0);
        if (waitMs > 0) {
          clock.now += waitMs - 1;
          expect(ask()).toBe(1);
          clock.now += 1;
          expect(ask()).toBe(0);
        }
        letIn.push(clock.now);
      }
      letIn.forEach((start, first) => {
        const inWindow = letIn.slice(first).filter((at) => at < start + periodMs).length;
        expect(inWindow).toBeLessThanOrEqual(2 * site.requests);
      });
    });
    fc.assert(run, { numRuns: 200 });
  });
});

it.each([
  [{ site: { requests: 0, periodS: 1 } }],
  [{ site: { requests: 1, periodS: 3_601 } }],
  [{ customer: { requests: 1.5, periodS: 1 } }],
  [{ customer: { requests: 1 } }],
  [{ everybody: { requests: 1, periodS: 1 } }],
])('limits %j are refused', (limits) => {
  expect(siteConfig.safeParse({ limits }).error?.issues[0]?.path[0]).toBe('limits');
});
