import { beforeEach, describe, expect, it, vi } from 'vitest';
import { channelOf, errorOf, Peer, value } from './channel.fixture.ts';

let count = 0;
let vps: string;
beforeEach(async () => {
  vps = `routes-${++count}`;
  value(await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' }));
});

const upstream = 'http://127.0.0.1:1';
const verify = { scheme: 'hmac-sha256', header: 'x', encoding: 'hex', secretRef: 's' } as const;
const configure = async (base: number, ...routes: object[]) => {
  const payload = { base, config: { routes: routes.map((route) => ({ upstream, ...route })) } };
  value(await channelOf(vps).updateConfig({ siteId: 'shop', actor: 'op', payload: payload as never }));
};
const routes = async () => value(await channelOf(vps).routes('shop'));

describe('what the Worker is told of a site', () => {
  it('is which requests need no more of lane 0 than a socket', async () => {
    await configure(
      0,
      { path: '/*', offline: 'unavailable', timeoutMs: 900 },
      { path: '/hooks/*', offline: 'queue', methods: ['POST'] },
      { path: '/catalog/*', offline: 'stale' },
      { path: '/signed', offline: 'unavailable', verify },
    );
    expect((await routes()).routes).toEqual([
      { path: '/*', timeoutMs: 900, anyLane: true },
      { path: '/hooks/*', methods: ['POST'], anyLane: false },
      { path: '/catalog/*', anyLane: false },
      { path: '/signed', anyLane: false },
    ]);
  });

  it('is of the config that runs, as long as a newer one does not', async () => {
    await configure(0, { path: '/*' });
    const { digest } = value(await channelOf(vps).config('shop'));
    const peer = await Peer.connect(vps);
    peer.send({
      ...{ type: 'status', at: 1, version: '1', uptimeS: 1, workers: [] },
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
      sites: [{ siteId: 'shop', generation: 1, digest }],
      tunnel: { state: 'not_configured' },
    });
    await configure(1, { path: '/*', offline: 'queue' });
    await vi.waitFor(async () => expect((await routes()).routes).toEqual([{ path: '/*', anyLane: true }]));
  });

  it('is how many lanes its orchestrator has, of those that were granted', async () => {
    expect((await routes()).lanes).toBe(1);
    await Peer.connect(vps, { lanes: 3 });
    expect((await routes()).lanes).toBe(3);
    await Peer.connect(vps, { lanes: 16 }); // The fixture's tokens grant four.
    expect((await routes()).lanes).toBe(4);
  });

  it('is whether the site is paused', async () => {
    expect((await routes()).isPaused).toBe(false);
    value(await channelOf(vps).putSite('shop', { paused: true, orgId: 'org-1' }));
    expect((await routes()).isPaused).toBe(true);
  });

  it('is nothing of a site that is not there', async () => {
    expect(errorOf(await channelOf(vps).routes('other')).code).toBe('not_found');
  });
});
