import { expect, it } from 'vitest';
import { clockTime, duration } from './time.ts';

it.each([
  [-5_000, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_599_999, '59 min'],
  [7_200_000, '2 h'],
  [86_400_000 * 3, '3 d'],
])('a duration of %i ms is told as “%s”', (ms, words) => {
  expect(duration(ms)).toBe(words);
});

it('a time of another day names the day', () => {
  const noon = new Date(2026, 10, 2, 12).getTime();
  expect(clockTime(noon, noon + 60_000)).toBe('12:00:00');
  expect(clockTime(noon, noon + 86_400_000)).toMatch(/2.*12:00:00/);
});
