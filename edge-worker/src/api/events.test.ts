import { env } from 'cloudflare:workers';
import { event, listOf } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { fresh, Tenant } from '../edge.fixture.ts';

const page = listOf(event);
let tenant: Tenant;
let made = 0;
beforeEach(async () => {
  tenant = await Tenant.create();
});

/** An event as the objects project it. */
async function insert(siteId: string, type = 'health_check', orgId = tenant.orgId): Promise<string> {
  const id = `evt_${String(++made).padStart(16, '0')}`;
  await env.DB.prepare(
    `INSERT INTO orc_events (id, org_id, orchestrator_id, site_id, type, data, created_at, received_at)
     VALUES (?, ?, 'vps', ?, ?, '{"ok":true}', '2026-11-01T00:00:00.000Z', 7)`,
  )
    .bind(id, orgId, siteId, type)
    .run();
  return id;
}
async function list(query = '') {
  const answer = await tenant.call('GET', `/events${query}`, { role: 'viewer' });
  expect(answer.status).toBe(200);
  return page.parse(await answer.json());
}
const ids = async (query = '') => (await list(query)).items.map(({ id }) => id);

describe('GET /events', () => {
  it('shows the organisation’s own, newest first, as the existing stack has them', async () => {
    const mine = [await insert('a'), await insert('a')];
    await insert('a', 'health_check', fresh('other-org'));
    const { items, next } = await list();
    expect([items.map(({ id }) => id), next]).toEqual([mine.reverse(), null]);
    expect(items[0]).toEqual({
      id: mine[0],
      orchestratorId: 'vps',
      siteId: 'a',
      type: 'health_check',
      data: { ok: true },
      createdAt: '2026-11-01T00:00:00.000Z',
      receivedAt: 7,
      syncedToWorkers: true,
    });
  });

  it('is narrowed by site and type', async () => {
    const a = await insert('a', 'config_change');
    const b = await insert('b', 'config_change');
    const c = await insert('a', 'worker_deployment');
    expect(await ids('?site=a')).toEqual([c, a]);
    expect(await ids('?type=config_change')).toEqual([b, a]);
    expect(await ids('?site=a&type=config_change')).toEqual([a]);
    expect(await ids('?site=none')).toEqual([]);
  });

  it('goes back page by page, until next is null', async () => {
    const all = [await insert('a'), await insert('a'), await insert('a')];
    const first = await list('?limit=2');
    const second = await list(`?limit=2&after=${first.next}`);
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(all.reverse());
    expect(second.next).toBeNull();
  });

  it('in ascending order can be asked again for ever, and misses none', async () => {
    const empty = await list('?order=asc');
    expect([empty.items, typeof empty.next]).toEqual([[], 'string']);
    const a = await insert('a');
    const first = await list(`?order=asc&limit=2&after=${empty.next}`);
    const again = await list(`?order=asc&limit=2&after=${first.next}`);
    expect([first.items.map(({ id }) => id), again.items, again.next]).toEqual([[a], [], first.next]);
    const more = [await insert('a'), await insert('a'), await insert('a')];
    const second = await list(`?order=asc&limit=2&after=${again.next}`);
    const third = await list(`?order=asc&limit=2&after=${second.next}`);
    expect([...second.items, ...third.items].map(({ id }) => id)).toEqual(more);
  });

  it.each(['type=nothing', 'after=x', 'after=', 'order=up', 'site=A_B', 'unknown=1'])(
    'refuses ?%s',
    async (query) => {
      expect((await tenant.call('GET', `/events?${query}`)).status).toBe(400);
    },
  );
});
