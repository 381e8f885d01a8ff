import { env } from 'cloudflare:workers';
import type { Problem, Receipt, Site } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf } from '../channel/channel.fixture.ts';
import { edge, fresh, RELAY, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let vps = '';
beforeEach(async () => {
  vps = fresh('vps');
  tenant = await Tenant.create(vps);
});

const create = (body: object, role: 'admin' | 'member' = 'admin') =>
  tenant.call('POST', '/sites', { body, role });
const made = async (body: object) => (await create(body)).json<Site>();
const refused = async (response: Response): Promise<[number, string]> => {
  const { code } = await response.json<Problem>();
  return [response.status, code];
};
const list = async (query = '', of = tenant) => {
  const page = await (await of.call('GET', `/sites${query}`, { role: 'viewer' })).json<{
    items: Site[];
    next: string | null;
  }>();
  return { ids: page.items.map(({ id }) => id), next: page.next };
};

describe('a site', () => {
  it('keeps its id for its organisation when it is deleted: its Workers still go by that', async () => {
    const id = fresh('shop');
    await made({ id });
    await tenant.call('DELETE', `/sites/${id}`);
    const said = async (of: Tenant) => (await (await of.call('GET', `/sites/${id}`)).json<Problem>()).detail;
    const other = await Tenant.create(fresh('vps'));
    expect(await said(tenant)).toBe(`the site "${id}" was deleted`);
    expect(await said(other)).toBe(`no site "${id}" in this organisation`);
    expect(await refused(await other.call('POST', '/sites', { body: { id } }))).toEqual([409, 'conflict']);
    expect((await create({ id })).status).toBe(201);
  });

  it('is made, read, listed, changed and deleted', async () => {
    const id = fresh('shop');
    const hostname = `${id}.example.net`;
    const response = await create({ id, labels: { tier: 'gold' }, hostnames: [hostname, hostname] });
    expect(response.status).toBe(201);
    const site = await response.json<Site>();
    expect(site).toEqual({
      id,
      orgId: tenant.orgId,
      orchestratorId: vps,
      name: id,
      labels: { tier: 'gold' },
      hostnames: [hostname],
      paused: false,
      createdAt: expect.any(Number),
    });
    expect(await (await tenant.call('GET', `/sites/${id}`, { role: 'viewer' })).json()).toEqual(site);
    const patched = await tenant.call('PATCH', `/sites/${id}`, {
      body: { name: 'Shop', labels: {}, hostnames: [] },
    });
    expect(await patched.json()).toEqual({ ...site, name: 'Shop', labels: {}, hostnames: [] });
    const deleted = await tenant.call('DELETE', `/sites/${id}`);
    expect([deleted.status, await deleted.json()]).toEqual([
      200,
      {
        siteId: id,
        receipts: { undelivered: 0, kept: 0, erased: 0 },
        commands: { cancelled: 0, left: 0 },
      },
    ]);
    expect(await refused(await tenant.call('GET', `/sites/${id}`))).toEqual([404, 'not_found']);
  });

  it('is known to its object from the start, with an empty config', async () => {
    const { id } = await made({ id: fresh('shop') });
    const config = await tenant.call('GET', `/sites/${id}/config`, { role: 'viewer' });
    expect(await config.json()).toMatchObject({ siteId: id, generation: 0, config: { routes: [] } });
    await tenant.call('DELETE', `/sites/${id}`);
    expect(await channelOf(vps).config(id)).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });

  it('is changed by owners and admins alone', async () => {
    const { id } = await made({ id: fresh('shop') });
    const asMember = { role: 'member' as const };
    for (const response of [
      await create({ id: fresh('shop') }, 'member'),
      await tenant.call('PATCH', `/sites/${id}`, { ...asMember, body: { name: 'x' } }),
      await tenant.call('POST', `/sites/${id}/pause`, asMember),
      await tenant.call('DELETE', `/sites/${id}`, asMember),
    ]) {
      expect(await refused(response)).toEqual([403, 'forbidden']);
    }
  });

  it('of another organisation is not there', async () => {
    const { id } = await made({ id: fresh('shop') });
    const other = await Tenant.create(fresh('vps'));
    for (const response of [
      await other.call('GET', `/sites/${id}`),
      await other.call('GET', `/sites/${id}/config`),
      await other.call('PATCH', `/sites/${id}`, { body: { name: 'mine' } }),
      await other.call('POST', `/sites/${id}/pause`),
      await other.call('DELETE', `/sites/${id}`),
    ]) {
      expect(await refused(response)).toEqual([404, 'not_found']);
    }
    expect((await list('', other)).ids).toEqual([]);
  });

  it('has an id that nobody else has: 409, whosesoever it is, and the first stays as it was', async () => {
    const { id } = await made({ id: fresh('shop') });
    await tenant.call('POST', `/sites/${id}/pause`);
    expect(await refused(await create({ id }))).toEqual([409, 'conflict']);
    const call = {
      requestId: 'r1',
      target: 'upstream' as const,
      siteId: id,
      method: 'GET',
      url: '/',
      headers: [],
    };
    const asked = await channelOf(vps).relay({ ...call, body: null, deadlineMs: 1_000 });
    expect(asked).toMatchObject({ ok: false, error: { code: 'site_paused' } });
    const other = await Tenant.create(fresh('vps'));
    expect(await refused(await other.call('POST', '/sites', { body: { id } }))).toEqual([409, 'conflict']);
    expect(await (await tenant.call('GET', `/sites/${id}`)).json()).toMatchObject({
      paused: true,
      orgId: tenant.orgId,
    });
  });

  it('has host names that no other site has, and never the system’s own', async () => {
    const hostname = `${fresh('shop')}.example.net`;
    await made({ id: fresh('shop'), hostnames: [hostname] });
    expect(await refused(await create({ id: fresh('shop'), hostnames: [hostname] }))).toEqual([
      409,
      'conflict',
    ]);
    const { id } = await made({ id: fresh('shop'), hostnames: [`other-${hostname}`] });
    const taking = { body: { name: 'changed', hostnames: [hostname] } };
    expect(await refused(await tenant.call('PATCH', `/sites/${id}`, taking))).toEqual([409, 'conflict']);
    expect(await (await tenant.call('GET', `/sites/${id}`)).json()).toMatchObject({
      name: id,
      hostnames: [`other-${hostname}`],
    });
    for (const own of [env.CONSOLE_HOST, env.RELAY_HOST]) {
      expect(await refused(await create({ id: fresh('shop'), hostnames: [own] }))).toEqual([409, 'conflict']);
    }
  });

  it('goes to the only orchestrator, or the one that is named and is the organisation’s', async () => {
    const [one, two] = [fresh('vps'), fresh('vps')];
    const both = await Tenant.create(one, two);
    const unnamed = await both.call('POST', '/sites', { body: { id: fresh('shop') } });
    expect(unnamed.status).toBe(400);
    expect((await unnamed.json<Problem>()).detail).toContain('orchestratorId: expected one of');
    const named = await both.call('POST', '/sites', { body: { id: fresh('shop'), orchestratorId: two } });
    expect(await named.json()).toMatchObject({ orchestratorId: two });
    const foreign = await both.call('POST', '/sites', { body: { id: fresh('shop'), orchestratorId: vps } });
    expect(await refused(foreign)).toEqual([404, 'not_found']);
  });

  it.each<[object, string]>([
    [{ id: 'Not An Id' }, 'id'],
    [{ id: 'shop', name: '' }, 'name'],
    [{ id: 'shop', labels: { 'A B': 'x' } }, 'labels.A B'],
    [{ id: 'shop', hostnames: ['nodot'] }, 'hostnames[0]'],
    [{ id: 'shop', hostnames: ['Upper.example.com'] }, 'hostnames[0]'],
    [{ id: 'shop', extra: 1 }, 'extra'],
  ])('%j is 400 at %s', async (body, path) => {
    const response = await create(body);
    expect(response.status).toBe(400);
    expect((await response.json<Problem>()).detail).toContain(`${path}: `);
  });
});

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

describe('pausing', () => {
  it('stops customers with 503, and resuming lets them in again', async () => {
    const { id } = await made({ id: fresh('shop') });
    const paused = await tenant.call('POST', `/sites/${id}/pause`);
    expect(await paused.json()).toMatchObject({ paused: true });
    const response = await edge(`${RELAY}/s/${id}/`);
    expect(await response.clone().json()).toMatchObject({ code: 'site_paused' });
    expect([response.status, response.headers.has('retry-after')]).toEqual([503, true]);
    expect(await (await tenant.call('POST', `/sites/${id}/resume`)).json()).toMatchObject({ paused: false });
    expect(await (await edge(`${RELAY}/s/${id}/`)).json()).not.toMatchObject({ code: 'site_paused' });
  });
});

describe('a host name', () => {
  const codeAt = async (hostname: string) =>
    (await (await edge(`https://${hostname}/`)).json<Problem>()).code;

  it('leads to its site from the moment it is given, and no longer than it is', async () => {
    const hostname = `${fresh('shop')}.example.net`;
    expect(await codeAt(hostname)).toBe('not_found');
    const { id } = await made({ id: fresh('shop'), hostnames: [hostname] });
    await tenant.call('POST', `/sites/${id}/pause`);
    expect(await codeAt(hostname)).toBe('site_paused');
    expect(await codeAt(`${hostname}.:8443`)).toBe('site_paused');
    await tenant.call('PATCH', `/sites/${id}`, { body: { hostnames: [] } });
    expect(await codeAt(hostname)).toBe('not_found');
  });
});

describe('the list of sites', () => {
  it('goes on behind its cursor, by id, to the end', async () => {
    const ids = [fresh('shop'), fresh('shop'), fresh('shop')].sort();
    for (const id of ids) await made({ id });
    const first = await list('?limit=2');
    expect(first).toEqual({ ids: ids.slice(0, 2), next: ids[1] });
    expect(await list(`?limit=2&after=${first.next}`)).toEqual({ ids: ids.slice(2), next: null });
    expect(await list('?limit=3')).toEqual({ ids, next: null });
  });

  it('is filtered by labels, all of which a site must have', async () => {
    const both = await made({ id: fresh('shop'), labels: { tier: 'gold', 'team/x.y': 'a:b' } });
    const one = await made({ id: fresh('shop'), labels: { tier: 'gold' } });
    expect((await list('?label=tier:gold')).ids.sort()).toEqual([both.id, one.id].sort());
    expect((await list('?label=tier:gold&label=team/x.y:a:b')).ids).toEqual([both.id]);
    expect((await list('?label=tier:silver')).ids).toEqual([]);
  });

  it.each(['?limit=0', '?limit=201', '?limit=x', '?label=nocolon', '?unknown=1'])(
    '%s is 400',
    async (query) => {
      expect(await refused(await tenant.call('GET', `/sites${query}`))).toEqual([400, 'bad_request']);
    },
  );
});
