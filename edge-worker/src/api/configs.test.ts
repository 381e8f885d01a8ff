import type { ConfigGeneration, ConfigGenerationDetail, Problem } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
const site = fresh('shop');
beforeAll(async () => {
  tenant = await Tenant.create(fresh('vps'));
  await tenant.call('POST', '/sites', { body: { id: site } });
  for (const base of [0, 1, 2]) {
    const payload = { base, patch: { worker: { vars: { N: `${base}` } } }, note: `edit ${base + 1}` };
    await tenant.call('POST', '/orchestrator', { body: { action: 'update_config', siteId: site, payload } });
  }
});

const history = `/sites/${site}/config/history`;
const page = async (query = '') =>
  (await tenant.call('GET', `${history}${query}`, { role: 'viewer' })).json<{
    items: ConfigGeneration[];
    next: string | null;
  }>();

describe('GET /api/v1/sites/:id/config/history', () => {
  it('lists generations with author and note, newest first, and goes on behind its cursor', async () => {
    const first = await page('?limit=2');
    expect(first.items.map(({ generation, note, author }) => [generation, note, author])).toEqual([
      [3, 'edit 3', `admin@${tenant.orgId}`],
      [2, 'edit 2', `admin@${tenant.orgId}`],
    ]);
    const rest = await page(`?limit=2&after=${first.next}`);
    expect([rest.items.map(({ generation }) => generation), rest.next]).toEqual([[1], null]);
  });

  it('gives one generation with its config', async () => {
    const one = await tenant.call('GET', `${history}/2`, { role: 'viewer' });
    expect((await one.json<ConfigGenerationDetail>()).config.worker.vars).toEqual({ N: '1' });
  });

  it('is not another organisation’s, and says what is wrong with what it is asked', async () => {
    const stranger = await Tenant.create(fresh('vps'));
    const asked: [Tenant, string, number][] = [
      [stranger, history, 404],
      [stranger, `${history}/1`, 404],
      [tenant, `${history}/9`, 404],
      [tenant, `${history}/x`, 400],
      [tenant, `${history}?after=x`, 400],
    ];
    for (const [who, path, status] of asked) {
      const response = await who.call('GET', path);
      expect([path, response.status]).toEqual([path, status]);
      expect((await response.json<Problem>()).detail).not.toBe('');
    }
  });
});
