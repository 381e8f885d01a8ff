import type { LiveOrchestrator, Site, WorkerStatus } from '@clawdbot/protocol';
import { digestOf } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { move, orchestrator } from '../live/live.fixture.ts';
import { allLabels, filterOf, inOrder, isShown, type ListedSite, searchOf } from './filter.ts';
import { SiteIndex, siteStanding } from './standing.ts';

const site = (id: string, more: Partial<Site> = {}): Site => ({
  ...{ id, orgId: 'org', orchestratorId: 'vps', name: id, labels: {}, hostnames: [] },
  ...{ paused: false, createdAt: 1 },
  ...more,
});
const worker = (siteId: string, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  ...{ name: `${siteId}-tag`, siteId, state: 'deployed', at: 1 },
  ...more,
});
const running = (siteId: string, generation: number, failed = 0) => ({
  ...{ siteId, generation, digest: digestOf(generation) },
  ...(failed === 0 ? {} : { lastFailure: { generation: failed, at: 1, error: 'not allowed' } }),
});
const vps = (
  state: LiveOrchestrator['presence']['state'],
  { id = 'vps', sites = [running('shop', 1)], workers = [] as WorkerStatus[] } = {},
): LiveOrchestrator => ({
  ...orchestrator(id, state),
  status: {
    ...{ at: 1, version: '0', uptimeS: 1, memory: { rssBytes: 1, heapUsedBytes: 1 } },
    ...{ queues: { inbox: 0, outbox: 0, deadLetters: 0 }, sites, workers },
    tunnel: { state: 'not_configured' },
  },
});
const sick = { at: 1, ok: false, looks: 1, good: 0 };

const standing = (shop: Site, orchestrators: LiveOrchestrator[], moves: ReturnType<typeof move>[] = []) =>
  siteStanding(shop, new SiteIndex({ orchestrators, moves }).of(shop)).word;

describe('how a site stands, by what matters most', () => {
  const shop = site('shop');
  it.each([
    ['works', shop, vps('online')],
    ['no config', shop, vps('online', { sites: [] })],
    ['config refused', shop, vps('online', { sites: [running('shop', 1, 2)] })],
    ['unhealthy', shop, vps('online', { workers: [worker('shop', { health: sick })] })],
    ['changed outside', shop, vps('online', { workers: [worker('shop', { drift: 'gone' })] })],
    ['works', shop, vps('online', { workers: [worker('other', { health: sick })] })],
    ['VPS away', shop, vps('away', { workers: [worker('shop', { health: sick })] })],
    ['paused', site('shop', { paused: true }), vps('away')],
    ['moving to vps-2', site('shop', { movingTo: 'vps-2', paused: true }), vps('online')],
  ] as const)('%s', (word, of, orchestrator) => {
    expect(standing(of, [orchestrator])).toBe(word);
  });

  it('nothing is said of it before the live picture is there', () => {
    expect(standing(shop, [])).toBe('not known yet');
  });

  it('a move is seen as it begins and ends, before the list of sites says so', () => {
    const both = [vps('away'), vps('online', { id: 'vps-2', sites: [running('shop', 7)] })];
    expect(standing(shop, both, [move(2)])).toBe('moving to vps-2');
    const ended = move(2, { state: 'moved', updatedAt: 9 });
    expect(standing(site('shop', { movingTo: 'vps-2' }), both, [ended])).toBe('works');
    expect(new SiteIndex({ orchestrators: both, moves: [ended] }).of(shop).status?.generation).toBe(7);
    const taken = move(2, { state: 'undone', updatedAt: 9 });
    expect(standing(site('shop', { movingTo: 'vps-2' }), both, [taken])).toBe('VPS away');
    expect(standing(shop, both, [move(3), ended])).toBe('moving to vps-2');
  });
});

describe('the list of sites', () => {
  const listed = (of: Site, word = 'works', tone: ListedSite['standing']['tone'] = 'good'): ListedSite => ({
    ...{ site: of, facts: { workers: [] } },
    standing: { word, tone, shape: 'online' },
  });
  const gold = listed(site('gold-shop', { labels: { tier: 'gold' }, hostnames: ['gold.example.com'] }));
  const ill = listed(site('other', { name: 'The Other' }), 'unhealthy', 'bad');
  const ids = (search: string) =>
    [gold, ill].filter((one) => isShown(one, filterOf(search))).map(({ site: { id } }) => id);

  it.each([
    ['', ['gold-shop', 'other']],
    ['?q=GOLD', ['gold-shop']],
    ['?q=gold.example', ['gold-shop']],
    ['?q=the+other', ['other']],
    ['?q=tier:gold', ['gold-shop']],
    ['?q=vps', ['gold-shop', 'other']],
    ['?q=nothing', []],
    ['?label=tier:gold', ['gold-shop']],
    ['?label=tier:go', []],
    ['?state=to+look+at', ['other']],
    ['?state=works', ['gold-shop']],
    ['?state=unknown', ['gold-shop', 'other']],
  ])('filtered by “%s” shows %o', (search, shown) => {
    expect(ids(search)).toEqual(shown);
  });

  it('can be linked to as it is filtered', () => {
    const filter = { q: 'a b', label: 'tier:gold', state: 'paused' };
    expect(filterOf(searchOf(filter))).toEqual(filter);
    expect(searchOf({ q: '', label: '', state: '' })).toBe('');
  });

  it('begins with those that somebody may have to look at, and knows every label once', () => {
    expect(inOrder([gold, ill]).map(({ site: { id } }) => id)).toEqual(['other', 'gold-shop']);
    expect(allLabels([gold.site, gold.site, ill.site])).toEqual(['tier:gold']);
  });
});
