import { expect, it } from 'vitest';
import { decodeParcel, encodeParcel } from './parcel.ts';

const head = {
  method: 'POST',
  url: '/webhooks/lead?name=Zo%C3%AB',
  headers: [
    ['x-a', '1'],
    ['x-a', 'ü'],
  ] as [string, string][],
  requestId: 'r-1',
};

it('a stored request comes back as it was, byte by byte', () => {
  const body = Uint8Array.from({ length: 300 }, (_, at) => at % 256);
  const offset = Uint8Array.of(0, ...encodeParcel(head, body)).subarray(1);
  expect(decodeParcel(offset)).toEqual({ head, body });
});

it('one without a body has none', () => {
  expect(decodeParcel(encodeParcel(head, null))).toEqual({ head, body: null });
});
