import { expect, test } from 'vitest';
import { callsByWorker, mostWithin } from './calls.ts';

const at = (...times: number[]) => times.map((time) => ({ at: time }));

test('the most calls are those of the fullest window, wherever it begins', () => {
  expect(mostWithin(at(0, 90, 100, 110, 300), 100)).toBe(3);
  expect(mostWithin(at(0, 100), 100)).toBe(1);
  expect(mostWithin([], 100)).toBe(0);
});

test('a deployment’s calls are those that name its Worker up to the last write, whichever API they are of', () => {
  const made = [
    'GET scripts/a',
    'PUT scripts/a',
    'GET subdomain',
    'POST workers/a/x',
    'GET scripts/a',
    'PUT scripts/b',
  ];
  const calls = made.map((text) => {
    const [method = '', path = ''] = text.split(' ');
    return { method, path: `/client/v4/accounts/x/workers/${path}` };
  });
  expect(Object.fromEntries(callsByWorker(calls))).toEqual({ a: 3, b: 1 });
});
