import { expect, test } from 'vitest';
import { table } from './table.ts';

test('columns are as wide as their widest cell, numbers to the right, text to the left', () => {
  const rows = [
    ['path', 'req/s'],
    ['direct', '9'],
    ['a', '1200'],
  ];
  expect(table(rows)).toBe('path    req/s\ndirect      9\na        1200');
});
