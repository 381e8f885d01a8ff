import type { Deployment, SyncEvent } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { entry, helloOf, Peer } from '../channel/channel.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let vps: string;
let site: string;
beforeEach(async () => {
  [vps, site] = [fresh('vps'), fresh('site')];
  tenant = await Tenant.create(vps);
  await tenant.call('POST', '/sites', { body: { id: site, orchestratorId: vps } });
});

async function ask(action: Deployment['type'], name: string): Promise<string> {
  const deploy = { mainModule: 'a.js', modules: { 'a.js': '' }, compatibilityDate: '2026-01-01' };
  const payload = { name, ...(action === 'deploy_worker' ? deploy : {}) };
  const response = await tenant.call('POST', '/orchestrator', { body: { action, payload, siteId: site } });
  return (await response.json<{ data: { commandId: string } }>()).data.commandId;
}
const page = async (query = '', of = tenant) =>
  (await of.call('GET', `/deployments${query}`, { role: 'viewer' })).json<{
    items: Deployment[];
    next: string | null;
  }>();

/** The orchestrator tells these, in their order. */
async function tell(...data: SyncEvent['data'][]): Promise<void> {
  const peer = await Peer.connect(vps, helloOf(vps));
  const events = data.map((it, n) => ({
    type: 'sync_event',
    id: `evt_${String(n).padStart(22, '0')}`,
    event: {
      type: 'worker_deployment',
      siteId: site,
      data: it,
      createdAt: new Date(1_000 + n).toISOString(),
      syncedToWorkers: false,
    },
  }));
  peer.send(...events.map((event, n) => entry(n + 1, event)));
  await peer.next('ack');
  peer.close(1000, '');
}

describe('GET /api/v1/deployments', () => {
  it('lists what was asked for, newest first and page by page, also before any of it has begun', async () => {
    const ids = [
      await ask('deploy_worker', 'a'),
      await ask('deploy_worker', 'b'),
      await ask('rollback_worker', 'a'),
    ];
    const { items, next } = await page('?limit=2');
    expect(items.map(({ commandId, type, name, state }) => [commandId, type, name, state])).toEqual([
      [ids[2], 'rollback_worker', 'a', 'queued'],
      [ids[1], 'deploy_worker', 'b', 'queued'],
    ]);
    expect((await page(`?limit=2&after=${next}`)).items.map(({ commandId }) => commandId)).toEqual([ids[0]]);
    expect((await page('?name=b')).items).toHaveLength(1);
    expect((await page(`?site=${site}`)).items).toHaveLength(3);
  });

  it('shows the share of the traffic and the receipts that the orchestrator has told last', async () => {
    const commandId = await ask('deploy_worker', 'a');
    const receipts = { intended: { at: 1 } };
    const accepted = { ...receipts, accepted: { at: 2, versionId: 'v', deploymentId: 'd' } };
    const told = (percentage: number, more: object) => ({
      status: 'shifting',
      name: 'a',
      commandId,
      percentage,
      ...more,
    });
    await tell(told(1, { receipts }), told(10, { receipts: accepted }), { status: 'strange' });
    expect((await page()).items).toMatchObject([{ commandId, percentage: 10, receipts: accepted }]);
  });

  it('shows a Worker that was taken over, with the version that it had', async () => {
    const commandId = await ask('adopt_worker', 'theirs');
    const receipts = { intended: { at: 1 } };
    await tell({ status: 'adopted', name: 'theirs', commandId, versionId: 'v', proof: 'observed', receipts });
    const [item] = (await page()).items;
    expect(item).toMatchObject({ type: 'adopt_worker', name: 'theirs', versionId: 'v', proof: 'observed' });
  });

  it('shows those that were given on the VPS itself, by what was told of them', async () => {
    const commandId = `cmd_${vps}_0000000000000000000000`;
    await tell({
      status: 'failed',
      name: 'local',
      commandId,
      error: 'no',
      receipts: { intended: { at: 1 } },
    });
    expect((await page()).items).toMatchObject([{ commandId, name: 'local', state: 'failed', error: 'no' }]);
  });

  it('is never another organisation’s', async () => {
    await ask('deploy_worker', 'a');
    const other = await Tenant.create(fresh('vps'));
    expect((await page('', other)).items).toEqual([]);
    expect((await other.call('GET', `/deployments?site=${site}`)).status).toBe(404);
  });
});
