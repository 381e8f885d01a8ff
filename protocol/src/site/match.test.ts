import { describe, expect, it } from 'vitest';
import { type Route, siteConfig } from './config.ts';
import { matchRoute } from './match.ts';

const routes = siteConfig.parse({
  routes: [
    { path: '/*', upstream: 'http://127.0.0.1:1' },
    { path: '/webhooks/*', upstream: 'http://127.0.0.1:2' },
    { path: '/webhooks/shop', upstream: 'http://127.0.0.1:3' },
    { path: '/webhooks/*', methods: ['POST'], upstream: 'http://127.0.0.1:4' },
  ],
}).routes;
const portOf = (method: string, path: string, among: readonly Route[] = routes) =>
  Number(matchRoute(among, method, path)?.upstream.split(':').at(-1));

describe('routes', () => {
  it.each([
    ['GET', '/', 1],
    ['GET', '/webhooksy', 1],
    ['GET', '/webhooks/a', 2],
    ['GET', '/webhooks', 2],
    ['POST', '/webhooks/a', 4],
    ['POST', '/webhooks/shop', 3],
    ['POST', '/webhooks/shop/', 4],
  ])('the most specific takes the request: %s %s → %i', (method, path, port) => {
    expect(portOf(method, path)).toBe(port);
  });

  it.each([
    '//webhooks/shop',
    '/webhooks//shop',
    '/%77ebhooks/shop',
    '/webhooks/%73%68op',
    '/webhooks%2Fshop',
    '/%2fwebhooks/sho%70',
  ])('another spelling of a path has its route: %s', (path) => {
    expect(portOf('POST', path)).toBe(3);
  });

  it.each(['/webhooks/shop%3F', '/webhooks/sh%25op', '/Webhooks/shop', '/webhooks/shop%00', '/webhooks/%7'])(
    'what is another path has not: %s',
    (path) => {
      expect(portOf('POST', path)).not.toBe(3);
    },
  );

  it('a route’s own path may be spelled so too', () => {
    const [home] = siteConfig.parse({
      routes: [{ path: '/%7Eann/a%20b/*', upstream: 'http://127.0.0.1:7' }],
    }).routes;
    expect([
      portOf('GET', '/~ann/a%20b/x', [home as Route]),
      portOf('GET', '/%7eann/a%20b/x', [home as Route]),
    ]).toEqual([7, 7]);
  });

  it('no route is undefined, whatever the order they were written in', () => {
    expect(matchRoute([], 'GET', '/')).toBeUndefined();
    expect(portOf('POST', '/webhooks/a', [...routes].reverse())).toBe(4);
  });

  it.each([
    [{ path: 'x', upstream: 'http://a' }, 'path'],
    [{ path: '/a*b', upstream: 'http://a' }, 'path'],
    [{ path: '/a', upstream: 'ftp://a' }, 'upstream'],
    [{ path: '/a', upstream: 'http://user@a' }, 'upstream'],
    [{ path: '/a', upstream: 'http://a', offline: 'later' }, 'offline'],
    [{ path: '/a', upstream: 'http://a', ofline: 'queue' }, ''],
  ])('a bad route is refused at its member: %j', (bad, member) => {
    const issue = siteConfig.safeParse({ routes: [bad] }).error?.issues[0];
    expect(issue?.path).toEqual(['routes', 0, ...(member === '' ? [] : [member])]);
  });

  it('two routes with one path and methods are refused', () => {
    const twice = { path: '/a', upstream: 'http://a' };
    expect(siteConfig.safeParse({ routes: [twice, twice] }).success).toBe(false);
  });
});
