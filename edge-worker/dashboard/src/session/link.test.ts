import { expect, it } from 'vitest';
import { takeLinkToken } from './link.ts';

function page(hash: string, hostname = '127.0.0.1') {
  const shown: string[] = [];
  const history = { replaceState: (_: unknown, __: string, url: unknown) => void shown.push(String(url)) };
  return { location: { hash, hostname, pathname: '/', search: '?a=1' }, history, shown };
}

it('a sign-in link gives its token, and leaves the address without it', () => {
  const opened = page('#sign-in=abc.def.ghi');
  expect(takeLinkToken(opened)).toBe('abc.def.ghi');
  expect(opened.shown).toEqual(['/?a=1']);
});

it('off loopback a link signs nobody in, and still leaves the address', () => {
  const opened = page('#sign-in=abc.def.ghi', 'console.example.com');
  expect(takeLinkToken(opened)).toBeUndefined();
  expect(opened.shown).toEqual(['/?a=1']);
});

it('another fragment is none of ours', () => {
  const opened = page('#events');
  expect(takeLinkToken(opened)).toBeUndefined();
  expect(opened.shown).toEqual([]);
});
