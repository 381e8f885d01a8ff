import { describe, expect, it } from 'vitest';
import { isBeyondChance } from './chance.ts';

const part = (all: number, having: number) => ({ all, having });

/** Counted out: 1 / C(25, 5), (C(5, 3) · C(20, 0)) / C(25, 3), and (C(5, 3) · C(94, 0)) / C(99, 3). */
describe('how often chance deals so unevenly', () => {
  it.each([
    ['five of five, none of twenty', part(5, 5), part(20, 0), 1 / 53_130],
    ['three of five, none of twenty', part(5, 3), part(20, 0), 10 / 2_300],
    ['three of five, none of 94', part(5, 3), part(94, 0), 10 / 156_849],
    ['at least two of three, one of three', part(3, 2), part(3, 1), 0.5],
    ['all of both', part(30, 30), part(300, 300), 1],
  ])('is exact: %s', (_what, one, other, probability) => {
    expect(isBeyondChance(one, other, probability * 1.000_001)).toBe(true);
    expect(isBeyondChance(one, other, probability * 0.999_999)).toBe(false);
  });

  it('is known of millions, too', () => {
    expect(isBeyondChance(part(1e6, 2_000), part(9e6, 9_000), 1e-9)).toBe(true);
    expect(isBeyondChance(part(1e6, 1_001), part(9e6, 9_000), 0.4)).toBe(false);
  });
});
