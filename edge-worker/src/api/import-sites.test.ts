import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { channelOf } from '../channel/channel.fixture.ts';
import { fresh } from '../edge.fixture.ts';
import { list, ownTenant, refused, tenant, vps } from './sites.fixture.ts';

ownTenant();

describe('an import', () => {
  const customer = (id: string, agency: string, status = 'active') =>
    env.DB.prepare('INSERT INTO customers (id, agency_id, name, status) VALUES (?, ?, ?, ?)')
      .bind(id, agency, `Name of ${id}`, status)
      .run();
  const run = async (body: object = {}) => (await tenant.call('POST', '/sites/import', { body })).json();

  it('makes sites of the organisation’s customers once, and says which it passed over and why', async () => {
    await env.DB.prepare('INSERT INTO agencies (id, name) VALUES (?, ?)').bind(tenant.orgId, 'A').run();
    const [active, left, foreign] = [fresh('a-shop'), fresh('b-shop'), fresh('c-shop')];
    await customer(active, tenant.orgId);
    await customer(left, tenant.orgId, 'cancelled');
    await customer(`${active}/Odd Id`, tenant.orgId);
    await customer(foreign, 'demo-agency');
    expect(await run()).toEqual({
      imported: [
        expect.objectContaining({
          id: active,
          orchestratorId: vps,
          name: `Name of ${active}`,
          labels: { customer: active },
          hostnames: [],
          paused: false,
        }),
        expect.objectContaining({ id: left, paused: true }),
      ],
      skipped: [{ customerId: `${active}/Odd Id`, reason: expect.stringMatching(/^it is no site id/) }],
      next: null,
    });
    expect((await list()).ids.sort()).toEqual([active, left].sort());
    expect(await channelOf(vps).config(active)).toMatchObject({ ok: true });
    expect(await run({ customers: [active, foreign] })).toEqual({
      imported: [],
      skipped: [
        { customerId: foreign, reason: 'no such customer in this organisation' },
        { customerId: active, reason: 'it is a site already' },
      ],
      next: null,
    });
  });

  it('is an admin’s', async () => {
    const response = await tenant.call('POST', '/sites/import', { role: 'member', body: {} });
    expect(await refused(response)).toEqual([403, 'forbidden']);
  });
});
