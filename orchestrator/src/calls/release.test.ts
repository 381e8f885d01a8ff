import { expect, it } from 'vitest';
import { release } from './release.ts';

it('bytes that are all of their buffer are given back', () => {
  const bytes = new Uint8Array(9);
  release(bytes);
  expect(bytes.buffer.detached).toBe(true);
});

it.each([
  ['a part of a buffer', new Uint8Array(new ArrayBuffer(9), 1)],
  ['an empty one, which its owner may use again', new Uint8Array(0)],
])('%s stays', (_, bytes) => {
  release(bytes);
  expect(bytes.buffer.detached).toBe(false);
});

it('bytes that were given back already are no fault', () => {
  const bytes = new Uint8Array(9);
  release(bytes);
  expect(() => release(bytes)).not.toThrow();
});
