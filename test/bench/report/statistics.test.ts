import { expect, test } from 'vitest';
import { median, percentile, ratios, spread } from './statistics.ts';

const oneTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);

test('a percentile is a measured value: the smallest that covers its share', () => {
  expect(percentile(oneTo(100), 0.99)).toBe(99);
  expect(percentile(oneTo(101), 0.99)).toBe(100);
  expect(percentile(oneTo(10), 0.5)).toBe(5);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile(oneTo(4), 0)).toBe(1);
  expect(percentile(oneTo(4), 1)).toBe(4);
});

test('the median does not depend on the order, and halves the middle of an even number', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([10, 4, 1, 2])).toBe(3);
  expect(median([5])).toBe(5);
});

test('numbers are sorted as numbers', () => {
  expect(median([100, 20, 3])).toBe(20);
});

test('nothing measured is not a number, rather than a good one', () => {
  expect([percentile([], 0.5), median([])]).toEqual([Number.NaN, Number.NaN]);
});

test('a spread has the median and both ends', () => {
  expect(spread([2, 9, 4])).toEqual({ median: 4, min: 2, max: 9 });
});

test('a ratio compares the same round, so a slow round of both changes nothing', () => {
  expect(ratios([50, 5, 500], [100, 10, 1000])).toEqual([0.5, 0.5, 0.5]);
  expect(median(ratios([50, 6, 300], [100, 10, 1000]))).toBe(0.5);
});

test('rounds that are missing on one side are refused', () => {
  expect(() => ratios([1, 2], [1])).toThrow('2 rounds against 1');
});
