import { PARCEL_PUSH_MS, PARCELS_PUSHED_BYTES_MAX } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { PushedParcels } from './pushed.ts';

const bytes = Uint8Array.of(1);

it('R3: a pushed parcel is used once, and only for a moment', () => {
  let now = 0;
  const pushed = new PushedParcels(() => now);
  pushed.put('a', bytes);
  pushed.put('b', bytes);
  now = PARCEL_PUSH_MS;
  expect([pushed.take('a'), pushed.take('a')]).toEqual([bytes, undefined]);
  now += 1;
  expect(pushed.take('b')).toBeUndefined();
});

it('what was pushed first makes room', () => {
  const pushed = new PushedParcels(() => 0);
  const half = new Uint8Array(PARCELS_PUSHED_BYTES_MAX / 2);
  for (const id of ['a', 'b', 'c']) pushed.put(id, half);
  expect(['a', 'b', 'c'].map((id) => pushed.take(id) !== undefined)).toEqual([false, true, true]);
});
