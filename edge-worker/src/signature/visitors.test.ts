import { Failure } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { Visitors } from './visitors.ts';

const NOW_MS = 1_760_000_000_000;
const SECRET = 'a visitor key';
/** By openssl; the template site-tag's tests make the same of it. */
const V1 = 'b3b8c04342b341462eb08d22e90a94163340bb83aa768808dedbdf6f61387e47';
const GOOD = `t=1760000000,ip=2001:db8::7,v1=${V1}`;

const visitors = (nowMs = NOW_MS, secret = SECRET) =>
  new Visitors({ now: () => nowMs, secret: async () => ({ value: secret }) });
const addressIn = (said: string, by = visitors()) => by.addressIn(said, 'shop', 'VISITOR');

it('a visitor’s address is believed that the site’s own Worker has signed', async () => {
  expect(await addressIn(GOOD)).toBe('2001:db8::7');
});

it.each([
  ['another address', GOOD.replace('::7', '::8')],
  ['another time', GOOD.replace('t=1760000000', 't=1760000001')],
  ['another signature', GOOD.replace('b3b8', 'b3b9')],
  ['no signature', 't=1760000000,ip=192.0.2.7'],
  ['two addresses', `t=1760000000,ip=192.0.2.7,ip=2001:db8::7,v1=${V1}`],
  ['what is no address', GOOD.replace('2001:db8::7', 'anything')],
])('one with %s is nobody’s', async (_what, said) => {
  expect(await addressIn(said)).toBeUndefined();
});

it('one that is old, or of another secret, or while the secret is not set, is nobody’s', async () => {
  expect(await addressIn(GOOD, visitors(NOW_MS + 301_000))).toBeUndefined();
  expect(await addressIn(GOOD, visitors(NOW_MS, 'another'))).toBeUndefined();
  const unset = new Visitors({
    now: () => NOW_MS,
    secret: () => Promise.reject(new Failure('secret_missing', 'not set')),
  });
  expect(await addressIn(GOOD, unset)).toBeUndefined();
});
