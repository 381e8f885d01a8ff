import { expect, it } from 'vitest';
import { VISITOR_HEADER, visitorOf } from './visitor.ts';

const NOW_MS = 1_760_000_000_999;
const SECRET = 'a visitor key';
/** By openssl; the relay's tests (edge-worker/src/signature/visitors.test.ts) have the same. */
const SIGNED =
  't=1760000000,ip=2001:db8::7,v1=b3b8c04342b341462eb08d22e90a94163340bb83aa768808dedbdf6f61387e47';

const from = (ip: string, said?: string) =>
  new Request('https://tag.example/lead', {
    headers: { 'cf-connecting-ip': ip, ...(said !== undefined && { [VISITOR_HEADER]: said }) },
  });
const said = async (request: Request, nowMs = NOW_MS) =>
  (await visitorOf(request, SECRET, nowMs))[VISITOR_HEADER];

it('is who has sent the request, signed with the time', async () => {
  expect(await said(from('2001:db8::7'))).toBe(SIGNED);
});

it('is who another of the site’s Workers says, by its signature', async () => {
  expect(await said(from('2a06:98c0:3600::103', SIGNED))).toBe(SIGNED);
});

it.each([
  ['another signature', SIGNED.replace('b3b8', 'b3b9'), NOW_MS],
  ['another address', SIGNED.replace('::7', '::8'), NOW_MS],
  ['nothing that is signed', '192.0.2.9', NOW_MS],
  ['what was signed long ago', SIGNED, NOW_MS + 301_000],
])('is nobody’s word without its signature: %s', async (_what, header, nowMs) => {
  expect(await said(from('192.0.2.1', header), nowMs)).toMatch(/^t=\d+,ip=192\.0\.2\.1,v1=/);
});

it('is not told without a secret', async () => {
  expect(await visitorOf(from('192.0.2.1'), undefined, NOW_MS)).toEqual({});
});
