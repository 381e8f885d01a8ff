import { expect, test } from 'vitest';
import { callsByWorker, mostWithin } from './calls.ts';

const at = (...times: number[]) => times.map((time) => ({ at: time }));

test('the most calls are those of the fullest window, wherever it begins', () => {
  expect(mostWithin(at(0, 90, 100, 110, 300), 100)).toBe(3);
  expect(mostWithin(at(0, 100), 100)).toBe(1);
  expect(mostWithin([], 100)).toBe(0);
});

test('a call belongs to the Worker that its path names, whichever API it is of', () => {
  const paths = [
    '/workers/scripts/a',
    '/workers/scripts/a/versions',
    '/workers/workers/b',
    '/workers/subdomain',
  ];
  const counts = callsByWorker(paths.map((path) => ({ path: `/client/v4/accounts/x${path}` })));
  expect(Object.fromEntries(counts)).toEqual({ a: 2, b: 1 });
});
