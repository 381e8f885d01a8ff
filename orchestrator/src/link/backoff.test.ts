import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

/** A backoff at its worst luck, on a clock that the test moves. */
function worst() {
  let now = 1_000_000;
  const backoff = new Backoff({ random: () => 1 - Number.EPSILON, now: () => now });
  return {
    backoff,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('Backoff', () => {
  it('waits up to 1, 2 and then 4 s in the first minute of an outage', () => {
    const { backoff } = worst();
    expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([999, 1_999, 3_999, 3_999]);
  });

  it('waits up to 32 s after the first minute', () => {
    const { backoff, pass } = worst();
    for (let failures = 0; failures < 6; failures++) backoff.next();
    pass(60_000);
    expect(backoff.next()).toBe(31_999);
  });

  it('begins again at 1 s only after a session of 30 s', () => {
    const { backoff, pass } = worst();
    for (let failures = 0; failures < 3; failures++) backoff.next();
    backoff.opened();
    pass(29_999);
    expect(backoff.next()).toBe(3_999);
    backoff.opened();
    pass(30_000);
    expect(backoff.next()).toBe(999);
  });

  it('counts an outage from the end of the last session that lasted, so that a restarted edge is found soon', () => {
    const { backoff, pass } = worst();
    for (let failures = 0; failures < 6; failures++) backoff.next();
    pass(120_000);
    backoff.opened();
    pass(5_000);
    expect(backoff.next()).toBe(3_999);
  });

  it('keeps the caps of a long outage while sessions end as soon as they begin', () => {
    const { backoff, pass } = worst();
    for (let failures = 0; failures < 6; failures++) backoff.next();
    pass(120_000);
    backoff.opened();
    pass(1_000);
    expect(backoff.next()).toBe(31_999);
  });

  it('never waits less than it was asked to, nor more than the cap beyond that, nor for hours', () => {
    const event = fc.record({
      pass: fc.integer({ min: 0, max: 200_000 }),
      opens: fc.boolean(),
      floor: fc.integer({ min: 0, max: 10_000_000 }),
      luck: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 50 }), (events) => {
        let now = 0;
        let luck = 0;
        const backoff = new Backoff({ random: () => luck, now: () => now });
        for (const next of events) {
          if (next.opens) backoff.opened();
          now += next.pass;
          luck = next.luck;
          const asked = Math.min(next.floor, 300_000);
          const wait = backoff.next(next.floor);
          expect(wait).toBeGreaterThanOrEqual(asked);
          expect(wait - asked).toBeLessThan(32_000);
        }
      }),
    );
  });

  it('spreads a herd: two waits with different luck differ, from zero on', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (luck) => {
        const backoff = new Backoff({ random: () => luck, now: () => 0 });
        expect(backoff.next()).toBe(Math.floor(luck * 1_000));
      }),
    );
  });
});
