import { expect, test } from 'vitest';
import type { Deployment } from '../store/records.ts';
import { chooseVersion } from './choose.ts';

const [A, B] = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb'];
const split = (a: number, b: number): Deployment => ({
  id: A,
  createdOn: '2026-01-01T00:00:00.000Z',
  source: 'api',
  annotations: {},
  versions: [
    { versionId: A, percentage: a },
    { versionId: B, percentage: b },
  ],
});
const never = (): number => {
  throw new Error('no draw is needed');
};

test('traffic is drawn by percentage: the first version has the draws below its share', () => {
  expect(chooseVersion(split(10, 90), 'w', undefined, () => 0.0999)).toBe(A);
  expect(chooseVersion(split(10, 90), 'w', undefined, () => 0.1001)).toBe(B);
});

test('a version at 0 % is never drawn, whatever the draw', () => {
  expect(chooseVersion(split(0, 100), 'w', undefined, () => 0)).toBe(B);
  expect(chooseVersion(split(100, 0), 'w', undefined, () => 0.999999)).toBe(A);
});

test('an override for this Worker wins over the draw', () => {
  expect(chooseVersion(split(100, 0), 'w', `other="${A}", w="${B}"`, never)).toBe(B);
});

test('an override for another Worker, or for a version that is not deployed, counts as none', () => {
  expect(chooseVersion(split(100, 0), 'w', `other="${B}"`, () => 0)).toBe(A);
  expect(chooseVersion(split(100, 0), 'w', 'w="cccccccc"', () => 0)).toBe(A);
  expect(chooseVersion(split(100, 0), 'w', 'w=""', () => 0)).toBe(A);
});
