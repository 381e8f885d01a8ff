/** An orchestrator of the test's own, and what operators and customers do with its site `shop`. */
import { beforeEach } from 'vitest';
import { channelOf, value } from './channel.fixture.ts';

export let vps = '';
let count = 0;

/**
 * Each test of the file that says so has an orchestrator of its own, `<prefix>-<n>`.
 * @param prefix the file's own: files share a workerd
 */
export function ownVps(prefix: string): void {
  beforeEach(() => {
    vps = `${prefix}-${++count}`;
  });
}

/** Puts the site there, without a config. */
export const site = async (id = 'shop') =>
  value(await channelOf(vps).putSite(id, { paused: false, orgId: 'org-1' }));

/** A customer’s call. */
export const get = () => ({
  requestId: `r${++count}`,
  target: 'upstream' as const,
  siteId: 'shop',
  method: 'GET',
  url: '/a?b=1',
  headers: [] as [string, string][],
  body: null,
  deadlineMs: 5_000,
});

const anyRoute = { base: 0, config: { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9' }] } };

/** Puts the site there, with a route for everything. */
export const routed = async () => {
  await site();
  value(await channelOf(vps).updateConfig({ siteId: 'shop', payload: anyRoute, actor: 'op' }));
};

/** A deployment of a Worker whose only module is this. */
export const deployment = (text = 'export default {}') => ({
  siteId: 'shop',
  actor: 'op',
  payload: { name: 'w', mainModule: 'i.js', modules: { 'i.js': text }, compatibilityDate: '2026-01-01' },
});
