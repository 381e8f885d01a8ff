import { env } from 'cloudflare:workers';
import type { Command, OrchestratorResponse } from '@clawdbot/protocol';
import * as routes from '@clawdbot/protocol/routes';
import { beforeAll, describe, expect, it } from 'vitest';
import { Peer } from '../channel/channel.fixture.ts';
import { CONSOLE, edge, fresh, Tenant, userToken } from '../edge.fixture.ts';

let tenant: Tenant;
const vps = fresh('vps');
const site = fresh('shop');
beforeAll(async () => {
  tenant = await Tenant.create(vps);
  const made = await tenant.call('POST', '/sites', { body: { id: site } });
  expect(made.status).toBe(201);
});

const deploy = {
  name: 'w',
  mainModule: 'i.js',
  modules: { 'i.js': 'export {}' },
  compatibilityDate: '2026-01-01',
};
const act = (body: unknown, options: { role?: 'viewer' | 'admin'; headers?: Record<string, string> } = {}) =>
  tenant.call('POST', '/orchestrator', { body, ...options });
const errorOf = async (response: Response) => {
  const body = await response.json<OrchestratorResponse>();
  expect(body).toEqual({ success: false, error: expect.any(String), timestamp: expect.any(String) });
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  return body.error ?? '';
};

const KV = { type: 'kv_namespace', name: 'KV' };
const of = (action: string, payload: unknown, siteId: unknown = site) => ({ action, payload, siteId });
const deployWith = (change: object) => of('deploy_worker', { ...deploy, ...change });
const gradual = (change: object) =>
  deployWith({
    strategy: { type: 'gradual', steps: [1, 100], bakeMs: 0, healthCheck: { path: '/' }, ...change },
  });
const configWith = (payload: object) => of('update_config', payload);

describe('POST /api/v1/orchestrator refuses with 400, the path and what was expected', () => {
  it.each<[path: string, expected: string, body: unknown]>([
    ['the body', 'expected object', []],
    ['the body', 'expected object', 'text'],
    [
      'action',
      "Expected 'deploy_worker' | 'rollback_worker' | 'adopt_worker' | 'update_config' | 'get_status'",
      of('reboot', {}),
    ],
    ['action', 'Expected', { payload: {}, siteId: site }],
    ['siteId', 'expected 1 to 63 of a-z', of('get_status', {}, 'No_Site')],
    ['siteId', 'expected string', of('get_status', {}, 7)],
    ['siteId', 'expected string', { action: 'get_status', payload: {} }],
    ['payload', 'expected object', { action: 'get_status', siteId: site }],
    ['payload', 'expected object', of('get_status', null)],
    ['payload.x', 'unknown; leave it out', of('get_status', { x: 1 })],
    ['extra', 'unknown; known are action, payload, siteId', { ...of('get_status', {}), extra: 1 }],
    ['payload.name', 'expected a Worker name', deployWith({ name: 'Not A Name' })],
    ['payload.name', 'expected string', deployWith({ name: undefined })],
    ['payload.mainModule', 'expected a relative module path', deployWith({ mainModule: '../i.js' })],
    ['payload.mainModule', 'expected the path of one of the modules', deployWith({ mainModule: 'other.js' })],
    ['payload.modules', 'expected record', deployWith({ modules: [] })],
    ['payload.modules.i.js', 'expected text, or { base64 }', deployWith({ modules: { 'i.js': 1 } })],
    ['payload.modules.i.js.base64', 'expected base64', deployWith({ modules: { 'i.js': { base64: '*' } } })],
    [
      'payload.modules./i.js',
      'expected a relative module path',
      deployWith({ modules: { ...deploy.modules, '/i.js': '' } }),
    ],
    ['payload.compatibilityDate', 'expected a date, YYYY-MM-DD', deployWith({ compatibilityDate: 'today' })],
    ['payload.compatibilityDate', 'expected a date', deployWith({ compatibilityDate: undefined })],
    ['payload.vars.A', 'expected string', deployWith({ vars: { A: 1 } })],
    ['payload.vars.a b', 'expected a variable name', deployWith({ vars: { 'a b': '' } })],
    ['payload.secrets.A', 'expected a secret’s name', deployWith({ secrets: { A: '' } })],
    ['payload.routes', 'expected array', deployWith({ routes: 'all' })],
    ['payload.routes[0]', 'expected string', deployWith({ routes: [1] })],
    ['payload.routes[0]', 'expected a route pattern', deployWith({ routes: ['everything'] })],
    [
      'payload.customDomains[0]',
      'expected a host name',
      deployWith({ customDomains: ['https://a.example'] }),
    ],
    [
      'payload.compatibilityFlags[0]',
      'expected a compatibility flag',
      deployWith({ compatibilityFlags: ['-'] }),
    ],
    ['payload.bindings[0].namespace_id', 'expected string', deployWith({ bindings: [KV] })],
    ['payload.bindings[0].json', 'expected JSON', deployWith({ bindings: [{ type: 'json', name: 'A' }] })],
    [
      'payload.bindings',
      'expected each name once',
      deployWith({ vars: { KV: '' }, bindings: [{ ...KV, namespace_id: 'x' }] }),
    ],
    ['payload.bindings', 'CF_VERSION_METADATA', deployWith({ vars: { CF_VERSION_METADATA: '' } })],
    [
      'payload.modules.metadata',
      'expected another path',
      deployWith({ modules: { ...deploy.modules, metadata: '' } }),
    ],
    [
      'payload.secrets.KEY',
      'the secret "nowhere" is not set: clawctl',
      deployWith({ secrets: { KEY: 'nowhere' } }),
    ],
    ['payload.strategy.type', "Expected 'immediate' | 'gradual'", deployWith({ strategy: { type: 'slow' } })],
    ['payload.strategy.steps[0]', 'expected more than 0', gradual({ steps: [0] })],
    ['payload.strategy.steps', 'ascend and end at 100', gradual({ steps: [10, 10, 100] })],
    ['payload.strategy.steps', 'ascend and end at 100', gradual({ steps: [1, 50] })],
    ['payload.versionId', 'expected a version’s id', of('rollback_worker', { name: 'a', versionId: 'a b' })],
    ['payload.strategy.bakeMs', 'expected at least 0', gradual({ bakeMs: -1 })],
    ['payload.strategy.healthCheck.path', 'must start with "/"', gradual({ healthCheck: { path: 'x' } })],
    [
      'payload.dispatchNamespace',
      'expected neither a gradual strategy nor routes',
      deployWith({ dispatchNamespace: 'a', routes: [] }),
    ],
    ['payload.expiresInMs', 'expected at least 1000', deployWith({ expiresInMs: 1 })],
    ['payload.extra', 'unknown', deployWith({ extra: 1 })],
    ['payload.base', 'expected number', configWith({ patch: {} })],
    ['payload.base', 'expected at least 0', configWith({ base: -1, patch: {} })],
    ['payload', 'expected either patch or config', configWith({ base: 0 })],
    ['payload', 'expected either patch or config', configWith({ base: 0, patch: {}, config: {} })],
    ['payload.expiresInMs', 'expected number', configWith({ base: 0, patch: {}, expiresInMs: 'soon' })],
    [
      'routes[0].path',
      'expected a path',
      configWith({ base: 0, config: { routes: [{ path: 'x', upstream: 'http://h' }] } }),
    ],
  ])('%s: %s', async (path, expected, body) => {
    const response = await act(body);
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error).toContain(`${path}: `);
    expect(error).toContain(expected);
  });

  const raw = (body: string, type = 'application/json') =>
    edge(`${CONSOLE}/api/v1/orchestrator`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${userToken(tenant.orgId, 'admin')}`, 'content-type': type },
    });

  it('a body that is not JSON, or says that it is something else', async () => {
    for (const response of [await raw('{'), await raw(''), await raw('x', 'text/plain')]) {
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatch(
        /^(the body: expected JSON|content-type: expected application\/json)/,
      );
    }
  });

  it('an Idempotency-Key that is none', async () => {
    const response = await act(of('deploy_worker', deploy), { headers: { 'idempotency-key': 'a b' } });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe('idempotency-key: expected 1 to 200 visible ASCII characters');
  });

  it('a body over the limit is 413, declared or not', async () => {
    const text = JSON.stringify(deployWith({ modules: { 'i.js': 'x'.repeat(17 * 1024 * 1024) } }));
    const declared = await raw(text);
    expect(declared.status).toBe(413);
    expect(await errorOf(declared)).toContain('larger than');
    const chunked = new Response(text).body?.pipeThrough(new TransformStream()) ?? null;
    const streamed = await edge(`${CONSOLE}/api/v1/orchestrator`, {
      method: 'POST',
      body: chunked,
      headers: {
        authorization: `Bearer ${userToken(tenant.orgId, 'admin')}`,
        'content-type': 'application/json',
      },
    });
    expect(streamed.status).toBe(413);
  });
});

describe('POST /api/v1/orchestrator', () => {
  it('without a token is 401, in its own shape', async () => {
    const response = await edge(`${CONSOLE}/api/v1/orchestrator`, { method: 'POST', body: '{}' });
    expect(response.status).toBe(401);
    await errorOf(response);
  });

  it('lets a viewer ask and not command', async () => {
    for (const body of [of('deploy_worker', deploy), configWith({ base: 0, patch: {} })]) {
      const response = await act(body, { role: 'viewer' });
      expect(response.status).toBe(403);
      expect(await errorOf(response)).toBe('this needs the role owner or admin; your token says viewer');
    }
    expect((await act(of('get_status', {}), { role: 'viewer' })).status).toBe(503);
  });

  it('an unknown site, and another organisation’s, are the same 404', async () => {
    const other = await Tenant.create(fresh('vps'));
    const foreign = await other.call('POST', '/orchestrator', { body: of('get_status', {}) });
    expect(foreign.status).toBe(404);
    expect(await errorOf(foreign)).toBe(`no site "${site}" in this organisation`);
    expect((await act(of('get_status', {}, 'nowhere'))).status).toBe(404);
  });

  it('takes a command for an orchestrator that is away, and answers a call with 503 and Retry-After', async () => {
    const taken = await act(of('deploy_worker', deploy));
    expect(taken.status).toBe(202);
    expect(await taken.json()).toMatchObject({ success: true, data: { state: 'queued' } });
    const call = await act(of('get_status', {}));
    expect(call.status).toBe(503);
    expect(Number(call.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('knows a repeat by its Idempotency-Key, and refuses the key for something else', async () => {
    const headers = { 'idempotency-key': fresh('key') };
    const commandOf = async (response: Response) =>
      (await response.json<{ data: { commandId: string } }>()).data.commandId;
    const first = await commandOf(await act(of('deploy_worker', deploy), { headers }));
    expect(await commandOf(await act(of('deploy_worker', deploy), { headers }))).toBe(first);
    expect((await act(deployWith({ name: 'another' }), { headers })).status).toBe(409);
  });

  it('a config on a stale base is 409', async () => {
    const config = (base: number) => configWith({ base, config: { routes: [] } });
    const first = await act(config(0));
    expect(first.status).toBe(202);
    expect(await first.json()).toMatchObject({ data: { generation: 1 } });
    expect((await act(config(0))).status).toBe(409);
  });

  it('an edit that changes nothing is 200, with the generation there is', async () => {
    const same = await act(configWith({ base: 1, patch: {} }));
    expect(same.status).toBe(200);
    expect(await same.json()).toMatchObject({ data: { unchanged: true, generation: 1, state: 'queued' } });
  });

  it('names who asked in the command', async () => {
    const { data } = await (await act(of('deploy_worker', deploy))).json<{ data: { commandId: string } }>();
    const command = await (await tenant.call('GET', `/commands/${data.commandId}`)).json<Command>();
    expect(command).toMatchObject({
      createdBy: `admin@${tenant.orgId}`,
      siteId: site,
      type: 'deploy_worker',
    });
  });

  it('asks the orchestrator live while it is connected', async () => {
    const peer = await Peer.connect(vps);
    const asked = act(of('get_status', {}), { role: 'viewer' });
    const { id } = await peer.next('get_status');
    const memory = { rssBytes: 1, heapUsedBytes: 1 };
    const queues = { inbox: 0, outbox: 0, deadLetters: 0 };
    peer.send({
      type: 'get_status_result',
      id,
      data: {
        orchestrator: { id: vps, version: '1', uptimeS: 1, lanes: 1, memory, queues },
        site: { generation: 0, digest: 'a'.repeat(64), workers: [], routes: [] },
        tunnel: { state: 'not_configured' },
        at: 1,
      },
    });
    const response = await asked;
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ success: true, data: { orchestrator: { id: vps } } });
    peer.close(1000, '');
  });
});

it('the API has every route that is declared, and describes it', async () => {
  const document = await (await edge(`${CONSOLE}/api/v1/openapi.json`)).json<{
    openapi: string;
    paths: object;
  }>();
  expect(document.openapi).toBe('3.1.0');
  const declared = Object.values(routes).flatMap((route) => (typeof route === 'string' ? [] : [route.path]));
  expect(Object.keys(document.paths).sort()).toEqual([...new Set(declared)].sort());
  expect(declared).toContain('/events');
  expect(env.CONSOLE_HOST).not.toBe(env.RELAY_HOST);
});
