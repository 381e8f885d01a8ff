import { env } from 'cloudflare:workers';
import type { Problem, Site } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { channelOf } from '../channel/channel.fixture.ts';
import { edge, fresh, RELAY, Tenant } from '../edge.fixture.ts';
import { create, list, made, ownTenant, refused, tenant, vps } from './sites.fixture.ts';

ownTenant();

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
