import type { Evacuation, Problem, Site, SiteMove } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { Vps } from '../channel/move/vps.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let [one, two] = ['', ''];
beforeEach(async () => {
  [one, two] = [fresh('vps'), fresh('vps')];
  tenant = await Tenant.create(one, two);
});

const made = async (): Promise<string> => {
  const body = { id: fresh('shop'), orchestratorId: one };
  return (await (await tenant.call('POST', '/sites', { body })).json<Site>()).id;
};
const move = (id: string, orchestratorId: string, of = tenant, role: 'admin' | 'member' = 'admin') =>
  of.call('POST', `/sites/${id}/move`, { body: { orchestratorId }, role });
const refused = async (response: Response): Promise<[number, string]> => {
  const { code } = await response.json<Problem>();
  return [response.status, code];
};
const over = (id: string, state: SiteMove['state'] = 'moved') =>
  expect
    .poll(async () => (await (await tenant.call('GET', `/moves/${id}`)).json<SiteMove>()).state, {
      timeout: 5_000,
    })
    .toBe(state);

describe('a move', () => {
  it('is begun, followed by its id, listed, and shown by the site', async () => {
    await new Vps(two, tenant.orgId).connect();
    const id = await made();
    const response = await move(id, two);
    expect(response.status).toBe(202);
    const begun = await response.json<SiteMove>();
    expect(begun).toMatchObject({ siteId: id, from: one, to: two, createdBy: `admin@${tenant.orgId}` });
    await over(begun.id);
    const list = await tenant.call('GET', `/moves?site=${id}`, { role: 'viewer' });
    expect(await list.json()).toMatchObject({ items: [{ id: begun.id, state: 'moved' }], next: null });
    const site = await (await tenant.call('GET', `/sites/${id}`)).json<Site>();
    expect([site.orchestratorId, site.movingTo]).toEqual([two, undefined]);
    expect((await tenant.call('GET', `/sites/${id}/config`)).status).toBe(200);
    expect((await tenant.call('DELETE', `/sites/${id}`)).status).toBe(200);
  });

  it('goes to an orchestrator of the same organisation that is there, and is an admin’s', async () => {
    const id = await made();
    const foreign = fresh('vps');
    const other = await Tenant.create(foreign);
    await new Vps(foreign, other.orgId).connect();
    expect(await refused(await move(id, foreign))).toEqual([404, 'not_found']);
    expect(await refused(await move(id, foreign, other))).toEqual([404, 'not_found']);
    expect(await refused(await move(id, two))).toEqual([409, 'conflict']);
    await new Vps(two, tenant.orgId).connect();
    expect(await refused(await move(id, two, tenant, 'member'))).toEqual([403, 'forbidden']);
    expect(await refused(await other.call('GET', '/moves/move_x_0000000000000000'))).toEqual([
      404,
      'not_found',
    ]);
  });
});

describe('a cancelled move', () => {
  it('is undone, and is an admin’s of the same organisation', async () => {
    const id = await made();
    const vps = new Vps(two, tenant.orgId);
    await vps.connect();
    const config = { base: 0, config: { routes: [] } };
    const edit = { action: 'update_config', siteId: id, payload: config };
    expect((await tenant.call('POST', '/orchestrator', { body: edit })).status).toBe(202);
    vps.isMute = true;
    const { id: moveId } = await (await move(id, two)).json<SiteMove>();
    const cancel = (of = tenant, role: 'admin' | 'member' = 'admin') =>
      of.call('POST', `/moves/${moveId}/cancel`, { role });
    expect(await refused(await cancel(tenant, 'member'))).toEqual([403, 'forbidden']);
    expect(await refused(await cancel(await Tenant.create(fresh('vps'))))).toEqual([404, 'not_found']);
    const response = await cancel();
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ reason: `cancelled by admin@${tenant.orgId}` });
    await over(moveId, 'undone');
    const site = await (await tenant.call('GET', `/sites/${id}`)).json<Site>();
    expect([site.orchestratorId, site.movingTo]).toEqual([one, undefined]);
  });
});

describe('an evacuation', () => {
  it('moves all sites of an orchestrator that never comes back', async () => {
    await new Vps(two, tenant.orgId).connect();
    const ids = [await made(), await made(), await made()].sort();
    const response = await tenant.call('POST', `/orchestrators/${one}/evacuate`, {
      body: { orchestratorId: two },
    });
    const { moves, refused: left, next } = await response.json<Evacuation>();
    expect([response.status, moves.map(({ siteId }) => siteId), left, next]).toEqual([202, ids, [], null]);
    for (const { id } of moves) await over(id);
    const { items } = await (await tenant.call('GET', '/sites')).json<{ items: Site[] }>();
    expect(items.map(({ orchestratorId }) => orchestratorId)).toEqual([two, two, two]);
  });
});
