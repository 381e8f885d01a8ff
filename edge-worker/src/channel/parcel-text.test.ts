import { encodeParcel } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { beginsWith, contains } from './parcel-text.ts';

const head = { method: 'POST', url: '/webhooks/lead?ref=ad%2B1', headers: [], requestId: 'r' };
const parcelOf = (body: string, extra: object = {}) =>
  encodeParcel({ ...head, ...extra }, new TextEncoder().encode(body));

it.each([
  ['plain text', 'Zoë <zoe+ads@example.com>'],
  ['a form', 'name=Zo%C3%AB&mail=zoe%2Bads%40example.com'],
  ['JSON', '{"mail":"Zoe+ads@Example.com"}'],
  ['escaped JSON', '{"mail":"zoe\\u002bads\\u0040example.com"}'],
  ['partly escaped JSON', '{"mail":"zoe+ads\\u0040example.com"}'],
  ['a path', '/unsubscribe/zoe+ads%40example.com'],
  ['a form in Latin-1', 'mail=%EB%3Czoe%2Bads%40example.com'],
])('an address is found in %s', (_, body) => {
  expect(contains(parcelOf(body), 'zoe+ads@example.com')).toBe(true);
  expect(contains(parcelOf(body), 'joe+ads@example.com')).toBe(false);
});

it('a name is found however its letters are composed', () => {
  expect(contains(parcelOf('name=Zoe\u0308+Doe'), 'Zoë Doe')).toBe(true);
  expect(contains(parcelOf('name=Zo%C3%AB+Doe'), 'Zoe\u0308 Doe')).toBe(true);
  expect(contains(parcelOf('name=Zo%EB%20Doe'), 'Zoë Doe')).toBe(true);
});

it('a value is found in the URL and in headers, and a name of ours is none', () => {
  const parcel = parcelOf('', { headers: [['x-customer', 'A 17']] });
  expect([contains(parcel, 'ad+1'), contains(parcel, 'a 17'), contains(parcel, 'requestId')]).toEqual([
    true,
    true,
    false,
  ]);
});

it('bytes that are no text are no obstacle', () => {
  expect(contains(encodeParcel(head, Uint8Array.of(0xff, 0xfe, 0x25, 0x80)), 'zoe')).toBe(false);
});

it('a path is compared as it was sent', () => {
  expect([beginsWith(parcelOf(''), '/webhooks/le'), beginsWith(parcelOf(''), '/lead')]).toEqual([
    true,
    false,
  ]);
});
