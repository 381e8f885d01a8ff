import {
  digestOf,
  EMPTY_CONFIG,
  Failure,
  orchestratorHealth,
  type RequestHead,
  sha256Of,
} from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { signChannelToken } from '../identity.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { BEARER, claims, createBench, identity, OPEN, RESULT } from './app.fixture.ts';
import { listCommands } from './index.ts';

let bench: ReturnType<typeof createBench>;
beforeEach(() => {
  bench = createBench();
});

const post = (body: unknown, headers: Record<string, string> = BEARER): RequestInit => ({
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const deployment = {
  siteId: 'site-1',
  workerConfig: {
    name: 'tracker',
    mainModule: 'index.js',
    modules: { 'index.js': 'export default {}', 'a.bin': { base64: 'AQID' } },
    compatibilityDate: '2026-01-01',
  },
};

describe('what anyone may ask', () => {
  it('is health, in its fixed shape, 200 even when the channel was refused for good', async () => {
    const http = await bench.serve();
    const health = await http('/health');
    expect(health.status).toBe(200);
    expect(orchestratorHealth.parse(await health.json())).toMatchObject({
      status: 'healthy',
      version: '0.1.0',
      uptime: 5,
      workers: [],
      tunnel: { state: 'not_configured' },
      channel: { state: 'open', fence: 7 },
    });
    bench.state.set({ kind: 'refused', since: 1, reason: 'superseded' });
    const refused = await http('/health');
    expect([refused.status, await refused.json()]).toMatchObject([
      200,
      { status: 'unhealthy', channel: { reason: 'superseded' } },
    ]);
  });

  it('is readiness: 503 with the reason while the channel is not open', async () => {
    const http = await bench.serve();
    expect((await http('/ready')).status).toBe(200);
    bench.state.set({ kind: 'waiting', since: 1, retryAt: 2, reason: 'ECONNREFUSED' });
    const ready = await http('/ready');
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reason: 'ECONNREFUSED' }]);
  });
});

describe('everything else', () => {
  const PATHS = [
    '/metrics',
    '/internal/status',
    '/internal/commands',
    '/internal/deploy',
    '/internal/events',
    '/internal/shared/customers',
    '/internal/deadletters',
    '/internal/no-such',
  ];
  const TOKENS: [string, Record<string, string>][] = [
    ['no token', {}],
    ['rubbish', { authorization: 'Bearer rubbish' }],
    ['a channel token', { authorization: `Bearer ${signChannelToken(identity, { ...claims, lane: 0 })}` }],
    ['the headers of the edge', { 'x-actor': 'admin', 'x-request-id': 'r-1', edge: '{"actor":"admin"}' }],
  ];

  it.each(TOKENS)('is 401 with %s', async (_what, headers) => {
    const http = await bench.serve();
    for (const path of PATHS) {
      const response = await http(
        path,
        path === '/internal/deploy' ? post(deployment, headers) : { headers },
      );
      expect([path, response.status]).toEqual([path, 401]);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.json()).toMatchObject({ code: 'unauthorized', requestId: expect.any(String) });
    }
  });

  it('is 401 token_expired with an old token', async () => {
    const http = await bench.serve();
    bench.clock.now += 3_600_000;
    const response = await http('/metrics', { headers: BEARER });
    expect([response.status, await response.json()]).toMatchObject([401, { code: 'token_expired' }]);
  });

  it('is 404 as a problem when it is not there', async () => {
    const response = await (await bench.serve())('/nowhere');
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'not_found' }]);
  });

  it('is limited per address', async () => {
    const http = await bench.serve();
    const statuses = await Promise.all(
      Array.from({ length: 201 }, async () => (await http('/ready')).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(200);
    const late = await http('/ready');
    expect([late.status, late.headers.get('retry-after')]).toEqual([429, '1']);
  });
});

describe('POST /internal/deploy', () => {
  it('runs the deployment with its modules by digest, and answers in the existing shape', async () => {
    const given: unknown[] = [];
    const http = await bench.serve({
      deploy: async (body, modules) => {
        given.push(
          body,
          [...modules].map(([sha256, bytes]) => [sha256, [...bytes]]),
        );
        return RESULT;
      },
    });
    const response = await http('/internal/deploy', post({ ...deployment, environment: 'production' }));
    expect([response.status, await response.json()]).toEqual([200, { success: true, ...RESULT }]);
    const text = new TextEncoder().encode('export default {}');
    const binary = new Uint8Array([1, 2, 3]);
    expect(given).toEqual([
      {
        type: 'deploy_worker',
        siteId: 'site-1',
        name: 'tracker',
        mainModule: 'index.js',
        compatibilityDate: '2026-01-01',
        modules: [
          { path: 'index.js', sha256: sha256Of(text), bytes: text.length },
          { path: 'a.bin', sha256: sha256Of(binary), bytes: 3 },
        ],
      },
      [
        [sha256Of(text), [...text]],
        [sha256Of(binary), [1, 2, 3]],
      ],
    ]);
  });

  it.each([
    ['no JSON', 'x', /not JSON/],
    ['no site', { ...deployment, siteId: undefined }, /siteId/],
    [
      'a wrong name',
      { ...deployment, workerConfig: { ...deployment.workerConfig, name: 'A B' } },
      /workerConfig\.name: expected a Worker name/,
    ],
    ['an unknown member', { ...deployment, more: 1 }, /more/],
  ])('is 400 with %s, and says what was expected', async (_what, body, detail) => {
    const response = await (await bench.serve())('/internal/deploy', post(body));
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { code: 'bad_request', detail: expect.stringMatching(detail) },
    ]);
  });

  it('answers a deployment that failed with its error, and a fault without its stack', async () => {
    const refusing = await bench.serve({
      deploy: () => Promise.reject(new Failure('cloudflare_refused', 'code 10021')),
    });
    const refused = await refusing('/internal/deploy', post(deployment));
    expect([refused.status, await refused.json()]).toMatchObject([
      422,
      { code: 'cloudflare_refused', detail: 'code 10021' },
    ]);
    const broken = await bench.serve({ deploy: () => Promise.reject(new Error('secret detail')) });
    const failed = await broken('/internal/deploy', post(deployment));
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain('secret');
  });
});

describe('what it tells of itself', () => {
  it('in the metrics is the state of the channel, the queues, and what was counted', async () => {
    const { app, metrics } = bench.build();
    const handle = metrics.countCalls(async () => ({ status: 204, headers: [], body: null }));
    await handle(call('/'));
    const text = await (await app.request('/metrics', {}, { edge: { requestId: 'r-1', actor: 'a' } })).text();
    for (const line of [
      'clawdbot_channel_state{state="open"} 1',
      'clawdbot_channel_state{state="waiting"} 0',
      'clawdbot_lanes_open 1',
      'clawdbot_inbox_depth 3',
      'clawdbot_channel_rtt_seconds 0.012',
      'clawdbot_call_duration_seconds_count{target="self",outcome="2xx"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  });

  it('counts each opening of the channel', async () => {
    const { metrics } = bench.build();
    bench.state.set({ kind: 'connecting', since: 2 });
    bench.state.set(OPEN);
    bench.state.set({ kind: 'connecting', since: 3 });
    bench.state.set(OPEN);
    expect(await metrics.registry.metrics()).toContain('clawdbot_channel_opened_total 2');
  });

  it('is its status, and that of one site', async () => {
    const http = await bench.serve();
    expect(await (await http('/internal/status', { headers: BEARER })).json()).toMatchObject({
      type: 'status',
    });
    const site = await http('/internal/status?siteId=site-1', { headers: BEARER });
    expect(await site.json()).toMatchObject({ site: { generation: 0, digest: digestOf(EMPTY_CONFIG) } });
    expect((await http('/internal/status?siteId=NO', { headers: BEARER })).status).toBe(400);
  });

  it('is its commands, the newest first, by how they ended', async () => {
    const sql = createSql(new Sqlite(':memory:'));
    for (const migrate of MIGRATIONS) migrate(sql);
    for (const [id, outcome] of [
      ['one', '{"state":"failed"}'],
      ['two', null],
    ] as const) {
      sql.run(
        `INSERT INTO commands (id, type, site_id, key, origin, body, state, created_at, outcome)
         VALUES (?, 'deploy_worker', 'site-1', 'k', 'edge', '{}', ?, 1, ?)`,
        id,
        outcome === null ? 'running' : 'done',
        outcome,
      );
    }
    const http = await bench.serve({ commands: (limit) => listCommands(sql, limit) });
    const response = await http('/internal/commands', { headers: BEARER });
    expect(await response.json()).toMatchObject({
      items: [
        { id: 'two', state: 'running' },
        { id: 'one', state: 'failed' },
      ],
    });
    expect(await (await http('/internal/commands?limit=1', { headers: BEARER })).json()).toMatchObject({
      items: [{ id: 'two' }],
    });
  });
});

function call(url: string, more: Partial<RequestHead> = {}) {
  const head: RequestHead = {
    type: 'request',
    id: 2,
    target: 'self',
    method: 'GET',
    url,
    headers: [['x-actor', 'ada']],
    body: { kind: 'none' },
    requestId: 'r-7',
    deadlineMs: 1_000,
    ...more,
  };
  return { head, body: null, signal: new AbortController().signal };
}

describe('a call of the edge', () => {
  it('needs no token, and keeps its request id', async () => {
    const reply = await bench.build().self(call('/internal/status'));
    expect(reply.status).toBe(200);
    expect(reply.headers).toContainEqual(['x-request-id', 'r-7']);
    expect(JSON.parse(Buffer.from(reply.body ?? []).toString())).toMatchObject({ type: 'status' });
  });

  it('carries a body', async () => {
    const { self } = bench.build();
    const body = new TextEncoder().encode(JSON.stringify(deployment));
    const reply = await self({ ...call('/internal/deploy', { method: 'POST' }), body });
    expect(JSON.parse(Buffer.from(reply.body ?? []).toString())).toEqual({ success: true, ...RESULT });
  });

  it('is let go when nobody waits any more', async () => {
    const left = new AbortController();
    const { self } = bench.build({ deploy: () => new Promise(() => undefined) });
    const body = new TextEncoder().encode(JSON.stringify(deployment));
    const answer = self({ ...call('/internal/deploy', { method: 'POST' }), body, signal: left.signal });
    left.abort(new Error('the caller left'));
    await expect(answer).rejects.toThrow('the caller left');
  });
});
