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

function deployment(number: number, more: Partial<DeployWorker> = {}): DeployWorker {
  return {
    type: 'deploy_worker',
    commandId: `cmd_vps-1_${String(number).padStart(20, '0')}`,
    siteId: 'site-1',
    name: 'tracker',
    mainModule: 'src/index.js',
    compatibilityDate: '2026-01-01',
    vars: { COLOUR: 'blue' },
    modules: Object.entries(SOURCES).map(([path, source]) => {
      const bytes = new TextEncoder().encode(source);
      return { path, sha256: sha256Of(bytes), bytes: bytes.length };
    }),
    ...more,
  };
}

function database(): Sql {
  const sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  return sql;
}

async function orchestrator(options: { fetcher?: typeof fetch; apiToken?: string } = {}) {
  const { url } = await ownCloudflare();
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
    secret: async () => '',
    aside: <T>(work: () => Promise<T>) => work(),
    log: createLogger({ level: 'error', production: true }),
    progress: (milestone: string) => void milestones.push(milestone),
    blob: async ({ sha256 }: { sha256: string }) => {
      const all = Object.values(SOURCES).map((source) => new TextEncoder().encode(source));
      return all.find((bytes) => sha256Of(bytes) === sha256) ?? new Uint8Array();
    },
  };
  const deployer = createDeployer({
    siteVars: () => ({}),
    events: { record: () => {} },
    sql,
    cloudflare,
    now: Date.now,
    random: () => 0,
    ...(fetcher && { fetcher }),
  });
  return { deployer, milestones, deploy: (body: DeployWorker) => deployer.deploy(body, context) };
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
