import { expect, test } from 'vitest';
import { ticksIn } from './cpu.ts';

test('user and kernel time are found behind any program’s name', () => {
  const rest = 'S 1 2 3 0 -1 4194304 100 0 0 0 70 8 0 0 20 0 1 0 12345 1000 10 0';
  expect(ticksIn(`42 (node) ${rest}`)).toBe(78);
  expect(ticksIn(`42 (a) b (c) ${rest}`)).toBe(78);
});
