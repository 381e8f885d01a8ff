import { describe, expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();

let made = 0;
const deployment = (changes: object = {}) => {
  made += 1;
  return {
    name: `e2e-${made}`,
    mainModule: 'src/index.js',
    modules: {
      'src/index.js': `import { text } from '../lib/text.js';
        export default { fetch: (request, env) => new Response(text + ' ' + env.COLOUR) };`,
      'lib/text.js': `export const text = 'hello';`,
    },
    compatibilityDate: '2026-01-01',
    vars: { COLOUR: 'blue' },
    ...changes,
  };
};

const workers = async (): Promise<Record<string, string>> =>
  (await (await fetch(system().file.workersUrl)).json()) as Record<string, string>;

test('a deployed Worker answers at its URL, with all its modules and vars', async () => {
  const payload = deployment();
  const taken = await system().act('deploy_worker', payload);
  expect([taken.status, taken.json.success]).toEqual([202, true]);
  const { state, result, history } = await system().finished(taken.json.data.commandId);
  expect([state, history.map((step) => step.state)]).toEqual([
    'succeeded',
    ['queued', 'delivered', 'running', 'succeeded'],
  ]);
  expect(result).toMatchObject({ versionId: expect.any(String), deploymentId: expect.any(String) });
  const { url } = result as { url: string };
  expect(await (await fetch(url)).text()).toBe('hello blue');
  expect((await workers())[payload.name]).toBe(url);
});

test('modules of several megabytes cross as blobs, and arrive whole', async () => {
  const filler = `export const filler = '${'x'.repeat(3_000_000)}';`;
  const main = `import { filler } from './filler.js';
    export default { fetch: () => new Response(String(filler.length)) };`;
  const payload = deployment({ mainModule: 'main.js', modules: { 'main.js': main, 'filler.js': filler } });
  const { json } = await system().act('deploy_worker', payload);
  const { state, result } = await system().finished(json.data.commandId);
  expect(state).toBe('succeeded');
  expect(await (await fetch((result as { url: string }).url)).text()).toBe('3000000');
});

test('a Worker that Cloudflare refuses fails its command, with a reason', async () => {
  const payload = deployment({ mainModule: 'a.js', modules: { 'a.js': 'this is no JavaScript' } });
  const { json } = await system().act('deploy_worker', payload);
  const { state, error } = await system().finished(json.data.commandId);
  expect([state, error?.message]).toEqual(['failed', expect.any(String)]);
});

describe('config', () => {
  test('a pushed config is applied: its generation and digest run, and requests follow it', async () => {
    const before = await system().config();
    const upstream = before.config.routes[0]?.upstream;
    const { state, result } = await system().configure({
      routes: [{ path: '/only/*', upstream, offline: 'unavailable' }],
    });
    expect(state).toBe('succeeded');
    const now = await system().config();
    expect(now.generation).toBe(before.generation + 1);
    expect(result).toEqual({ generation: now.generation, digest: now.digest });
    expect((await system().relay('/only/echo')).status).toBe(200);
    expect((await system().relay('/echo')).status).toBe(404);
    await eventually(
      'the running digest is reported',
      () => system().config(),
      ({ running }) => running?.digest === now.digest,
    );
    const status = (await system().act('get_status', {})).json.data;
    expect(status.site).toMatchObject({ generation: now.generation, digest: now.digest });
    await system().configure({ routes: before.config.routes });
  });

  test('an upstream outside the allow-list is refused, and the last good config goes on', async () => {
    const before = await system().config();
    const { state, error } = await system().configure({
      routes: [{ path: '/*', upstream: 'http://198.51.100.1:80', offline: 'unavailable' }],
    });
    expect([state, error?.code]).toEqual(['failed', 'config_refused']);
    expect((await system().relay('/echo')).status).toBe(200);
    const { site } = (await system().act('get_status', {})).json.data;
    expect(site.digest).toBe(before.digest);
    expect(site.lastFailure).toMatchObject({ error: expect.stringContaining('198.51.100.1') });
    await system().configure({ routes: before.config.routes });
  });

  test('an edit based on a generation that is no longer the last is 409', async () => {
    const { generation } = await system().config();
    const answer = await system().act('update_config', { base: generation - 1, patch: {} });
    expect([answer.status, answer.json.success]).toEqual([409, false]);
  });
});

describe('idempotency keys', () => {
  const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });

  test('the same key and body give the first answer; another body is 409', async () => {
    const payload = deployment();
    const first = await system().act('deploy_worker', payload, withKey('key-1'));
    const again = await system().act('deploy_worker', payload, withKey('key-1'));
    expect(again.json.data.commandId).toBe(first.json.data.commandId);
    const other = await system().act('deploy_worker', { ...payload, vars: {} }, withKey('key-1'));
    expect(other.status).toBe(409);
  });

  test('members in another order are the same body', async () => {
    const payload = deployment();
    const first = await system().act('deploy_worker', payload, withKey('key-2'));
    const turned = Object.fromEntries(Object.entries(payload).reverse());
    const again = await system().act('deploy_worker', turned, withKey('key-2'));
    expect(again.json.data.commandId).toBe(first.json.data.commandId);
  });
});

describe('while the orchestrator is away', () => {
  test('a command is taken, survives an edge restart, and is done once', async () => {
    const { sandbox } = system();
    await sandbox.stopPart('orchestrator');
    const payload = deployment();
    const taken = await system().act('deploy_worker', payload);
    expect([taken.status, taken.json.data.state]).toEqual([202, 'queued']);
    await sandbox.stopPart('edge');
    await sandbox.startPart('edge');
    const kept = await system().api(`/api/v1/commands/${taken.json.data.commandId}`);
    expect(kept.json.state).toBe('queued');
    await sandbox.startPart('orchestrator');
    const { state, result } = await system().finished(taken.json.data.commandId);
    expect(state).toBe('succeeded');
    expect(await (await fetch((result as { url: string }).url)).text()).toBe('hello blue');
    expect(await versionsOf(payload.name)).toBe(1);
  });

  test('a deployment carries the edits before it, although both waited and the edge was killed', async () => {
    const { sandbox } = system();
    await sandbox.stopPart('orchestrator');
    const payload = deployment({
      modules: { 'src/index.js': `export default { fetch: (_, env) => new Response(env.GREETING) };` },
    });
    const greeting = (n: number) => `edit ${n} for ${payload.name}`;
    for (let n = 1; n <= 10; n++) {
      const { generation } = await system().config();
      const patch = { worker: { vars: { GREETING: greeting(n) } } };
      expect((await system().act('update_config', { base: generation, patch })).status).toBe(202);
    }
    const { commandId } = (await system().act('deploy_worker', payload)).json.data;
    system().kill('edge');
    await sandbox.startPart('orchestrator');
    const { state, result } = await system().finished(commandId);
    expect(state).toBe('succeeded');
    expect(await (await fetch((result as { url: string }).url)).text()).toBe(greeting(10));
  });

  test('a command that was cancelled is not done', async () => {
    const { sandbox } = system();
    await sandbox.stopPart('orchestrator');
    const payload = deployment();
    const { commandId } = (await system().act('deploy_worker', payload)).json.data;
    const cancelled = await system().api(`/api/v1/commands/${commandId}/cancel`, { method: 'POST' });
    expect([cancelled.status, cancelled.json.state]).toEqual([200, 'cancelled']);
    await sandbox.startPart('orchestrator');
    const later = deployment();
    await system().finished((await system().act('deploy_worker', later)).json.data.commandId);
    expect(await workers()).not.toHaveProperty(payload.name);
  });

  test('a command whose time is up is not done', async () => {
    const { sandbox } = system();
    await sandbox.stopPart('orchestrator');
    const payload = deployment({ expiresInMs: 1_000 });
    const { commandId } = (await system().act('deploy_worker', payload)).json.data;
    const read = async () => (await system().api(`/api/v1/commands/${commandId}`)).json.state;
    await eventually('it expires', read, (state) => state === 'expired');
    await sandbox.startPart('orchestrator');
    const later = deployment();
    await system().finished((await system().act('deploy_worker', later)).json.data.commandId);
    expect(await workers()).not.toHaveProperty(payload.name);
  });

  /** As the stand-in for Cloudflare counts them. */
  async function versionsOf(name: string): Promise<number> {
    const { cloudflareApiUrl, cloudflareAccountId, cloudflareApiToken } = system().file;
    const answer = await fetch(
      `${cloudflareApiUrl}/accounts/${cloudflareAccountId}/workers/scripts/${name}/versions`,
      { headers: { authorization: `Bearer ${cloudflareApiToken}` } },
    );
    const body = (await answer.json()) as { result: { items: unknown[] } };
    return body.result.items.length;
  }
});

test('an orchestrator that is killed in the middle of a deployment ends it once it is back', async () => {
  const payload = deployment();
  const { commandId } = (await system().act('deploy_worker', payload)).json.data;
  system().kill('orchestrator');
  const { state, result } = await system().finished(commandId);
  expect(state).toBe('succeeded');
  expect(await (await fetch((result as { url: string }).url)).text()).toBe('hello blue');
});
