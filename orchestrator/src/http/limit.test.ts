import { describe, expect, it } from 'vitest';
import { createRateLimit } from './limit.ts';

describe('the rate limit', () => {
  it('lets a burst through, then as many as come back by time, each address for itself', () => {
    let now = 0;
    const limit = createRateLimit({ perSecond: 10, burst: 2, now: () => now });
    expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([0, 0, 100]);
    expect(limit.take('b')).toBe(0);
    now = 50;
    expect(limit.take('a')).toBe(50);
    now = 100;
    expect(limit.take('a')).toBe(0);
    now = 1_000_000;
    expect([limit.take('a'), limit.take('a')]).toEqual([0, 0]);
    expect(limit.take('a')).toBeGreaterThan(0);
  });

  it('is not moved by a clock that jumps back', () => {
    let now = 1_000;
    const limit = createRateLimit({ perSecond: 10, burst: 1, now: () => now });
    limit.take('a');
    now = 0;
    expect(limit.take('a')).toBe(100);
  });

  it('forgets the oldest address of many', () => {
    const limit = createRateLimit({ perSecond: 1, burst: 1, now: () => 0 });
    for (let n = 0; n <= 1_000; n++) limit.take(`address ${n}`);
    expect(limit.take('address 0')).toBe(0);
    expect(limit.take('address 1000')).toBeGreaterThan(0);
  });
});
