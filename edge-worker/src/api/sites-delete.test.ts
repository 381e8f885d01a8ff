import type { Problem, Receipt } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { edge, fresh, RELAY } from '../edge.fixture.ts';
import { made, ownTenant, refused, tenant, vps } from './sites.fixture.ts';

ownTenant();

describe('deleting a site for which something is queued', () => {
  /** A site whose VPS is away, with a stored request and an edit that waits. */
  async function queued(): Promise<string> {
    const { id } = await made({ id: fresh('shop') });
    const config = { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9', offline: 'queue' }] };
    const edit = { action: 'update_config', siteId: id, payload: { base: 0, config } };
    expect((await tenant.call('POST', '/orchestrator', { body: edit })).status).toBe(202);
    expect((await edge(`${RELAY}/s/${id}/lead`, { method: 'POST', body: 'zoe' })).status).toBe(202);
    return id;
  }
  const receiptOf = async (orchestrator: string) => {
    const page = await tenant.call('GET', `/receipts?orchestrator=${orchestrator}`);
    return (await page.json<{ items: Receipt[] }>()).items[0];
  };

  it('is refused with its numbers, and changes nothing', async () => {
    const id = await queued();
    const asked = await tenant.call('GET', `/sites/${id}/queued`, { role: 'viewer' });
    expect(await asked.json()).toEqual({ siteId: id, receipts: 1, commands: 1, kept: 1 });
    const response = await tenant.call('DELETE', `/sites/${id}`);
    const { detail } = await response.clone().json<Problem>();
    expect(await refused(response)).toEqual([409, 'conflict']);
    expect(detail).toMatch(/^1 stored requests of the site are not delivered and 1 of its commands/);
    expect((await tenant.call('GET', `/sites/${id}`)).status).toBe(200);
    expect(await receiptOf(vps)).toMatchObject({ state: 'stored' });
  });

  it('with force gives it up, and keeps or erases what customers sent, as its answer says', async () => {
    const kept = await queued();
    const first = await tenant.call('DELETE', `/sites/${kept}?force=true`);
    expect(await first.json()).toEqual({
      siteId: kept,
      receipts: { undelivered: 1, kept: 1, erased: 0 },
      commands: { cancelled: 1, left: 0 },
    });
    const { id: receipt = '' } = (await receiptOf(vps)) ?? {};
    const read = async () => (await tenant.call('GET', `/receipts/${receipt}`)).json();
    expect(await read()).toMatchObject({ state: 'dead', request: { url: '/lead' } });

    const again = await made({ id: kept });
    expect(again.id).toBe(kept);
    const second = await tenant.call('DELETE', `/sites/${kept}?force=true&parcels=erase`);
    expect(await second.json()).toMatchObject({ receipts: { undelivered: 0, kept: 0, erased: 1 } });
    expect(await read()).toMatchObject({ state: 'erased' });
    expect(await read()).not.toHaveProperty('request');
  });
});
