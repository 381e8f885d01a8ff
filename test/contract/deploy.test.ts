/** The orchestrator's deployments against the stand-in for Cloudflare's API, which really runs the Workers. */
import { type DeployWorker, type Sql, sha256Of } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { createDeployer } from '../../orchestrator/src/deploy/index.ts';
import { createLogger } from '../../orchestrator/src/log.ts';
import { MIGRATIONS } from '../../orchestrator/src/store/migrations.ts';
import { createSql } from '../../orchestrator/src/store/sql.ts';
import { ACCOUNT, ownCloudflare, TOKEN } from '../sandbox/cloudflare/fixture.ts';

const SOURCES: Record<string, string> = {
  'src/index.js': `
    import { text } from '../lib/text.js';
    import data from '../lib/data.json';
    export default {
      fetch: (request, env) => new Response(text + ' ' + env.COLOUR + ' ' + data.n, {
        headers: { 'Worker-Version': env.CF_VERSION_METADATA.id },
      }),
    };`,
  'lib/text.js': `export const text = 'hello';`,
  'lib/data.json': '{ "n": 7 }',
};

/** Healthy as long as it is asked for its health only; the first customer makes it ill. */
const SICKENING = `
  let isIll = false;
  export default {
    fetch(request, env) {
      isIll ||= new URL(request.url).pathname === '/customer';
      return new Response('', {
        status: isIll ? 500 : 200,
        headers: { 'Worker-Version': env.CF_VERSION_METADATA.id },
      });
    },
  };`;

const TELLING = 'export default { fetch: (_, env) => new Response(env.KEY) }';

const refOf = (path: string, source: string) => {
  const bytes = new TextEncoder().encode(source);
  return { path, sha256: sha256Of(bytes), bytes: bytes.length };
};

function deployment(number: number, more: Partial<DeployWorker> = {}): DeployWorker {
  return {
    type: 'deploy_worker',
    commandId: `cmd_vps-1_${String(number).padStart(20, '0')}`,
    siteId: 'site-1',
    name: 'tracker',
    mainModule: 'src/index.js',
    compatibilityDate: '2026-01-01',
    vars: { COLOUR: 'blue' },
    modules: Object.entries(SOURCES).map(([path, source]) => refOf(path, source)),
    ...more,
  };
}

function database(): Sql {
  const sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  return sql;
}

async function orchestrator(options: { fetcher?: typeof fetch; apiToken?: string } = {}) {
  const { url, faultsUrl } = await ownCloudflare();
  const { fetcher, apiToken = TOKEN } = options;
  const cloudflare = { apiToken, accountId: ACCOUNT, baseUrl: url };
  const sql = database();
  const milestones: string[] = [];
  const context = {
    commandId: '',
    siteId: 'site-1',
    resumed: false,
    signal: new AbortController().signal,
    stop: new AbortController().signal,
    secret: async (name: string) => `the secret ${name}`,
    tallies: async () => [],
    aside: <T>(work: () => Promise<T>) => work(),
    log: createLogger({ level: 'error', production: true }),
    progress: (milestone: string) => void milestones.push(milestone),
    blob: async ({ sha256 }: { sha256: string }) => {
      const all = [...Object.values(SOURCES), SICKENING, TELLING].map((source) =>
        new TextEncoder().encode(source),
      );
      return all.find((bytes) => sha256Of(bytes) === sha256) ?? new Uint8Array();
    },
  };
  const deployer = createDeployer({
    siteVars: () => ({}),
    events: { record: () => {} },
    sql,
    log: createLogger({ level: 'error', production: true }),
    cloudflare,
    now: Date.now,
    random: () => 0,
    ...(fetcher && { fetcher }),
  });
  const fail = (fault: object) => fetch(faultsUrl, { method: 'POST', body: JSON.stringify(fault) });
  return { deployer, milestones, fail, deploy: (body: DeployWorker) => deployer.deploy(body, context) };
}

describe('deploying through the API', () => {
  it('makes the Worker answer at its url, observed by its own version', async () => {
    const { deploy, milestones } = await orchestrator();
    const result = await deploy(deployment(1));
    expect(result).toMatchObject({ proof: 'observed' });
    expect(await (await fetch(result.url)).text()).toBe('hello blue 7');
    expect(milestones).toEqual(['validated', 'uploaded', 'deployed', 'checked']);
  });

  it('replaces what serves, at the same url', async () => {
    const { deploy, deployer } = await orchestrator();
    const first = await deploy(deployment(1));
    const second = await deploy(deployment(2, { vars: { COLOUR: 'red' } }));
    expect(second).toMatchObject({ url: first.url, proof: 'observed' });
    expect(second.versionId).not.toBe(first.versionId);
    expect(await (await fetch(second.url)).text()).toBe('hello red 7');
    expect(deployer.workers()).toMatchObject([
      { name: 'tracker', versionId: second.versionId, state: 'deployed' },
    ]);
  });

  it('makes one version of one command, although the answer to each write is lost once', async () => {
    const lost = new Set<string>();
    const fetcher: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const call = `${init?.method} ${new URL(String(input)).pathname}`;
      if (init?.method === 'GET' || !call.includes('/scripts/') || lost.has(call)) return response;
      lost.add(call);
      throw new TypeError('fetch failed');
    };
    const { deploy } = await orchestrator({ fetcher });
    const first = await deploy(deployment(1));
    const again = await deploy(deployment(1));
    expect(again).toMatchObject({ versionId: first.versionId, deploymentId: first.deploymentId });
    const second = await deploy(deployment(2));
    expect(await (await fetch(second.url)).text()).toBe('hello blue 7');
    expect(lost.size).toBe(4);
  });

  it('gives the Worker its secrets, and no binding to what is not there', async () => {
    const { deploy } = await orchestrator();
    const modules = [refOf('index.js', TELLING)];
    const one = { mainModule: 'index.js', modules, vars: {} };
    const { url } = await deploy(deployment(1, { ...one, secrets: { KEY: 'shop' } }));
    expect(await (await fetch(url)).text()).toBe('the secret shop');
    const bindings = [{ type: 'kv_namespace' as const, name: 'KV', namespace_id: 'none' }];
    await expect(deploy(deployment(2, { ...one, bindings }))).rejects.toThrow(
      /KV namespace 'none' not found/,
    );
    expect(await (await fetch(url)).text()).toBe('the secret shop');
  });

  it('rolls back what sickens at 10 %, and no request on the other 90 % fails', async () => {
    const { deploy } = await orchestrator();
    const { url, versionId: older } = await deploy(deployment(1));
    const seen = { older: { ok: 0, failed: 0 }, newer: { ok: 0, failed: 0 } };
    let isOver = false;
    const customer = async () => {
      while (!isOver) {
        const response = await fetch(`${url}/customer`).catch(() => undefined);
        const isOlder = response === undefined || response.headers.get('worker-version') === older;
        seen[isOlder ? 'older' : 'newer'][response?.ok === true ? 'ok' : 'failed']++;
      }
    };
    const customers = Promise.all([customer(), customer()]);
    const strategy = {
      type: 'gradual' as const,
      steps: [10, 100],
      bakeMs: 20_000,
      healthCheck: { path: '/health', status: 200, maxErrorRate: 0.2 },
    };
    const sickening = { strategy, mainModule: 'sick.js', modules: [refOf('sick.js', SICKENING)] };
    const failing = deploy(deployment(2, sickening));
    await expect(failing).rejects.toThrow(`rolled back: 100 % to ${older}`);
    isOver = true;
    await customers;
    expect(seen.older.failed).toBe(0);
    expect(seen.newer.failed).toBeGreaterThan(0);
    expect(seen.older.ok).toBeGreaterThan(3 * seen.newer.failed);
    expect((await fetch(url)).headers.get('worker-version')).toBe(older);
  });

  it('obeys a 429, and looks before it repeats a write that was answered 500', async () => {
    const { deploy, fail } = await orchestrator();
    await deploy(deployment(1));
    const began = Date.now();
    await fail({ method: 'GET', path: '/tracker/deployments', when: 'before', answer: 429, retryAfterS: 1 });
    await fail({ method: 'POST', path: '/tracker/versions', when: 'after', answer: 500 });
    await fail({ method: 'POST', path: '/tracker/deployments', when: 'after', answer: 503 });
    const { versionId, url } = await deploy(deployment(2));
    expect(Date.now() - began).toBeGreaterThan(1_000);
    expect((await fetch(url)).headers.get('worker-version')).toBe(versionId);
  });

  it('hands on what is wrong with the code', async () => {
    const { deploy, deployer } = await orchestrator();
    const broken = { ...deployment(1), mainModule: 'lib/data.json' };
    await expect(deploy(broken)).rejects.toMatchObject({
      code: 'cloudflare_refused',
      message: expect.stringMatching(/\(code \d+\)/),
    });
    expect(deployer.workers()).toMatchObject([{ state: 'failed' }]);
  });

  it('says what to check when the token is wrong', async () => {
    const { deploy } = await orchestrator({ apiToken: 'wrong-token' });
    await expect(deploy(deployment(1))).rejects.toThrow(/CLOUDFLARE_API_TOKEN/);
  });
});
