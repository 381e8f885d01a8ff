/** What the tests of the orchestrator's deployments share. */
import { type DeployWorker, type Sql, sha256Of } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeAll } from 'vitest';
import { createDeployer } from '../../orchestrator/src/deploy/index.ts';
import { createLogger } from '../../orchestrator/src/log.ts';
import { MIGRATIONS } from '../../orchestrator/src/store/migrations.ts';
import { createSql } from '../../orchestrator/src/store/sql.ts';
import { ACCOUNT, ownCloudflare, TOKEN } from '../sandbox/cloudflare/fixture.ts';

// The SDK takes a while to load on a busy machine: not on the first test's time.
beforeAll(() => import('../../orchestrator/src/deploy/api.ts'), 20_000);

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

/** All that was ever referred to, as the edge would have it. */
const blobs = new Map<string, Uint8Array>();

export const refOf = (path: string, source: string) => {
  const bytes = new TextEncoder().encode(source);
  const sha256 = sha256Of(bytes);
  blobs.set(sha256, bytes);
  return { path, sha256, bytes: bytes.length };
};

export function deployment(number: number, more: Partial<DeployWorker> = {}): DeployWorker {
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

/** An orchestrator over a stand-in for Cloudflare's API, both of the test's own. */
export async function orchestrator(options: { fetcher?: typeof fetch; apiToken?: string } = {}) {
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
    blob: async ({ sha256 }: { sha256: string }) => blobs.get(sha256) ?? new Uint8Array(),
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
  const as = (commandId: string) => ({ ...context, commandId });
  return {
    deployer,
    milestones,
    fail,
    url,
    as,
    deploy: (body: DeployWorker) => deployer.deploy(body, context),
  };
}
