import { env } from 'cloudflare:workers';
import type { Command, CommandSummary, Orchestrator, Problem } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { Peer } from '../channel/channel.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let vps = '';
beforeEach(async () => {
  vps = fresh('vps');
  tenant = await Tenant.create(vps);
});

const code = async (response: Response) => (await response.json<Problem>()).code;
const page = async (query: string, of = tenant) => {
  const response = await of.call('GET', `/commands${query}`, { role: 'viewer' });
  const { items, next } = await response.json<{ items: CommandSummary[]; next: string | null }>();
  return { ids: items.map(({ id }) => id), items, next };
};

/** A command as an object has projected it. */
async function projected(n: number, { site = 'shop', state = 'queued', at = 100 } = {}): Promise<string> {
  const id = `cmd_${vps}_${String(n).padStart(22, '0')}`;
  await env.DB.prepare(
    `INSERT INTO orc_commands (id, org_id, orchestrator_id, site_id, type, state, created_by, created_at, updated_at,
       version) VALUES (?, ?, ?, ?, 'deploy_worker', ?, 'someone', ?, ?, 1)`,
  )
    .bind(id, tenant.orgId, vps, site, state, at, at + 1)
    .run();
  return id;
}

describe('the list of commands', () => {
  it('is newest first, and goes on behind its cursor through commands of one millisecond', async () => {
    const ids = [];
    for (const [n, at] of [100, 200, 200, 200, 300].entries()) ids.unshift(await projected(n, { at }));
    const seen: string[] = [];
    let next: string | null = '';
    for (let turn = 0; next !== null && turn < 9; turn++) {
      const got: Awaited<ReturnType<typeof page>> = await page(
        `?limit=2${next === '' ? '' : `&after=${next}`}`,
      );
      seen.push(...got.ids);
      next = got.next;
    }
    expect(seen).toEqual(ids);
  });

  it('is filtered by site, state and type', async () => {
    const queued = await projected(1);
    const failed = await projected(2, { state: 'failed', at: 200 });
    const elsewhere = await projected(3, { site: 'other', at: 300 });
    expect((await page('?site=other')).ids).toEqual([elsewhere]);
    expect((await page('?site=shop&state=failed')).ids).toEqual([failed]);
    expect((await page('?type=deploy_worker&site=shop')).ids).toEqual([failed, queued]);
    expect((await page('?type=update_config')).ids).toEqual([]);
  });

  it('shows the organisation’s own', async () => {
    await projected(1);
    expect((await page('', await Tenant.create())).ids).toEqual([]);
  });

  it.each(['?state=lost', '?type=reboot', '?after=nonsense', '?site=A_B'])('%s is 400', async (query) => {
    expect((await tenant.call('GET', `/commands${query}`)).status).toBe(400);
  });
});

describe('a command', () => {
  async function deployed(): Promise<string> {
    const site = fresh('shop');
    await tenant.call('POST', '/sites', { body: { id: site } });
    const payload = {
      name: 'w',
      mainModule: 'i.js',
      modules: { 'i.js': '' },
      compatibilityDate: '2026-01-01',
    };
    const body = { action: 'deploy_worker', payload, siteId: site };
    const taken = await tenant.call('POST', '/orchestrator', { body });
    return (await taken.json<{ data: { commandId: string } }>()).data.commandId;
  }

  it('is read from its object, with history, and appears in the list', async () => {
    const id = await deployed();
    const command = await (await tenant.call('GET', `/commands/${id}`, { role: 'viewer' })).json<Command>();
    expect(command).toMatchObject({
      id,
      state: 'queued',
      orchestratorId: vps,
      subject: 'w',
      history: [{ state: 'queued' }],
    });
    await expect.poll(async () => (await page('')).ids, { timeout: 5_000 }).toEqual([id]);
    expect((await page('')).items[0]).toMatchObject({
      id,
      type: 'deploy_worker',
      subject: 'w',
      state: 'queued',
      orchestratorId: vps,
    });
  });

  it('is cancelled by an admin, not by a member', async () => {
    const id = await deployed();
    const refused = await tenant.call('POST', `/commands/${id}/cancel`, { role: 'member' });
    expect([refused.status, await code(refused)]).toEqual([403, 'forbidden']);
    const cancelled = await tenant.call('POST', `/commands/${id}/cancel`);
    expect(await cancelled.json()).toMatchObject({ id, state: 'cancelled' });
  });

  it('of another organisation, or of nobody, is not there', async () => {
    const id = await deployed();
    const other = await Tenant.create(fresh('vps'));
    for (const response of [
      await other.call('GET', `/commands/${id}`),
      await other.call('POST', `/commands/${id}/cancel`),
      await tenant.call('GET', `/commands/cmd_${vps}_${'0'.repeat(22)}`),
    ]) {
      expect([response.status, await code(response)]).toEqual([404, 'not_found']);
    }
    expect((await tenant.call('GET', '/commands/nonsense')).status).toBe(400);
  });
});

describe('orchestrators', () => {
  it('are listed by id, the organisation’s own', async () => {
    const list = await (await tenant.call('GET', '/orchestrators', { role: 'viewer' })).json();
    expect(list).toEqual({ items: [{ id: vps, lanes: 2, createdAt: 7 }], next: null });
    const other = await Tenant.create(fresh('vps'));
    expect((await other.call('GET', `/orchestrators/${vps}`)).status).toBe(404);
  });

  it('say whether they can be reached', async () => {
    const get = async () =>
      (await tenant.call('GET', `/orchestrators/${vps}`, { role: 'viewer' })).json<Orchestrator>();
    expect(await get()).toMatchObject({
      id: vps,
      orgId: tenant.orgId,
      lanes: 2,
      presence: { state: 'never' },
    });
    const peer = await Peer.connect(vps);
    expect(await get()).toMatchObject({ presence: { state: 'online' }, fence: 1, version: '0.1.0' });
    peer.close(1000, '');
  });
});

describe('ANY /api/v1/orchestrator/*', () => {
  it('is for admins and owners', async () => {
    const response = await tenant.call('GET', '/orchestrator/health', { role: 'member' });
    expect([response.status, await code(response)]).toEqual([403, 'forbidden']);
  });

  it('reaches the orchestrator itself, with who asks and without their token', async () => {
    const peer = await Peer.connect(vps);
    const headers = { cookie: 'orc_session=secret', 'x-actor': 'someone else', 'x-custom': 'kept' };
    const body = { name: 'w' };
    const asked = tenant.call('POST', `/orchestrator/internal/deploy?a=%2F&orchestrator=${vps}&b`, {
      headers,
      body,
    });
    const request = await peer.next('request');
    expect(request).toMatchObject({ target: 'self', method: 'POST', url: '/internal/deploy?a=%2F&b' });
    const sent = new Map(request.headers);
    expect(sent.get('x-actor')).toBe(`admin@${tenant.orgId}`);
    expect(sent.get('x-custom')).toBe('kept');
    expect([sent.has('authorization'), sent.has('cookie')]).toEqual([false, false]);
    peer.send({
      type: 'response',
      id: request.id,
      status: 201,
      headers: [
        ['content-type', 'text/html'],
        ['set-cookie', 'orc_session=taken'],
        ['clear-site-data', '"*"'],
      ],
      body: { kind: 'text', data: '<script>' },
    });
    const response = await asked;
    expect([response.status, await response.text()]).toEqual([201, '<script>']);
    expect(response.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect([response.headers.has('set-cookie'), response.headers.has('clear-site-data')]).toEqual([
      false,
      false,
    ]);
    peer.close(1000, '');
  });

  it('asks which one when there are several, and takes only the organisation’s', async () => {
    const [one, two] = [fresh('vps'), fresh('vps')];
    const both = await Tenant.create(one, two);
    const unnamed = await both.call('GET', '/orchestrator/health');
    expect(unnamed.status).toBe(400);
    expect((await unnamed.json<Problem>()).detail).toContain('X-Orchestrator-Id');
    const named = await both.call('GET', '/orchestrator/health', { headers: { 'x-orchestrator-id': two } });
    expect([named.status, await code(named)]).toEqual([503, 'orchestrator_away']);
    const foreign = await both.call('GET', `/orchestrator/health?orchestrator=${vps}`);
    expect(foreign.status).toBe(404);
  });
});
