import { EMPTY_CONFIG, type RequestHead, type SiteConfig, siteConfig } from '@clawdbot/protocol';
import { expect, it, vi } from 'vitest';
import { systemClock as clock } from '../clock.ts';
import { createUpstream } from './upstream.ts';

const config: SiteConfig = siteConfig.parse({
  ...EMPTY_CONFIG,
  routes: [{ path: '/hooks/*', upstream: 'http://127.0.0.1:4000', timeoutMs: 7_000 }],
});
const call = (url: string) => {
  const head: RequestHead = {
    type: 'request',
    id: 1,
    target: 'upstream',
    siteId: 'shop',
    method: 'POST',
    url,
    headers: [],
    body: { kind: 'none' },
    requestId: 'r1',
    deadlineMs: 7_000,
  };
  return { head, body: null, signal: new AbortController().signal };
};
const upstreamOf = (siteId: string) => {
  const request = vi.fn(async () => ({ status: 200, headers: [], body: null }));
  const configOf = (id: string) => (id === siteId ? config : undefined);
  return { request, ...createUpstream({ configOf, request, clock }) };
};

it('a stored request is relayed by the route that takes it, for as long as that gives', async () => {
  const { request, send, timeoutMs } = upstreamOf('shop');
  expect(await send(call('/hooks/lead?a=1'))).toMatchObject({ status: 200, body: null });
  expect(request).toHaveBeenCalledTimes(1);
  expect(timeoutMs('shop', 'POST', '/hooks/lead?a=1')).toBe(7_000);
});

it('one that no route takes is not relayed: the 404 would count as its upstream’s', async () => {
  const failed = { code: 'upstream_failed', details: { execution: 'not_started' } };
  const { request, send, timeoutMs } = upstreamOf('shop');
  await expect(send(call('/elsewhere'))).rejects.toMatchObject(failed);
  expect(timeoutMs('shop', 'POST', '/elsewhere')).toBeUndefined();
  const unconfigured = upstreamOf('other');
  await expect(unconfigured.send(call('/hooks/lead'))).rejects.toMatchObject(failed);
  expect([request, unconfigured.request].map(({ mock }) => mock.calls)).toEqual([[], []]);
});
