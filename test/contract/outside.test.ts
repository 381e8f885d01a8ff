/** What others do with a Worker, against the stand-in for Cloudflare's API: it is seen, shown, and left as it is. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AdoptWorker, SyncEvent } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { createDeployer } from '../../orchestrator/src/deploy/index.ts';
import { createLogger } from '../../orchestrator/src/log.ts';
import { MIGRATIONS } from '../../orchestrator/src/store/migrations.ts';
import { createSql } from '../../orchestrator/src/store/sql.ts';
import { visit } from '../../orchestrator/src/uptime/index.ts';
import {
  ACCOUNT,
  deployed,
  ownCloudflare,
  TOKEN,
  temporaryDir,
  uploadForm,
} from '../sandbox/cloudflare/fixture.ts';

const run = promisify(execFile);
const WRANGLER = join(
  dirname(fileURLToPath(import.meta.resolve('wrangler/package.json'))),
  'bin/wrangler.js',
);
const NAME = 'theirs';
const never = new AbortController().signal;
const log = createLogger({ level: 'error', production: true });

/** A Worker that somebody has made outside of this system, with two versions, and an orchestrator beside it. */
async function theirs() {
  const { url: baseUrl } = await ownCloudflare();
  const metadata = { bindings: [{ type: 'version_metadata', name: 'VERSION' }] };
  const source = (word: string) => ({
    name: 'index.js',
    content: `export default { fetch: (_, env) => new Response('${word}', { headers: { 'Worker-Version': env.VERSION.id } }) };`,
  });
  await deployed(baseUrl, NAME, uploadForm([source('one')], metadata));
  const url = await deployed(baseUrl, NAME, uploadForm([source('two')], metadata));
  const sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  const events: SyncEvent['data'][] = [];
  const deployer = createDeployer({
    ...{ sql, log, now: Date.now, siteVars: () => ({}) },
    cloudflare: { apiToken: TOKEN, accountId: ACCOUNT, baseUrl },
    events: { record: ({ data }) => void events.push(data) },
  });
  let commands = 0;
  const adopt = () => {
    const commandId = `cmd_vps-1_${String(++commands).padStart(22, '0')}`;
    const body: AdoptWorker = { type: 'adopt_worker', commandId, siteId: 'shop', name: NAME };
    return deployer.adopt(body, context(commandId));
  };
  const context = (commandId: string) => ({
    ...{ commandId, siteId: 'shop', resumed: false, signal: never, stop: never, log, progress: () => {} },
    blob: () => Promise.reject(new Error('nothing is uploaded here')),
    secret: () => Promise.reject(new Error('nothing is uploaded here')),
    tallies: async () => [],
    aside: <T>(work: () => Promise<T>) => work(),
  });
  return { baseUrl, url, deployer, events, adopt };
}

/** As an operator whose VPS is gone, with wrangler and a token alone: no project, no config file. */
async function wrangler(baseUrl: string, ...args: string[]): Promise<void> {
  const dir = await temporaryDir();
  const env = {
    ...process.env,
    CLOUDFLARE_API_BASE_URL: baseUrl,
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: dir,
    CI: '1',
  };
  await run(process.execPath, [WRANGLER, ...args], { cwd: dir, env, timeout: 30_000 });
}

it('a Worker that was there is taken over as it is, and answers on as before', async () => {
  const { url, deployer, adopt } = await theirs();
  const before = await visit(url, never);
  expect(await adopt()).toMatchObject({ url, proof: 'observed', versionId: before.version });
  expect(await visit(url, never)).toMatchObject({ status: 200, version: before.version });
  expect(await deployer.checkDrift(never)).toBe(false);
});

it('a rollback by wrangler while the VPS was gone is told as drift, kept, and taken on by adopting it', async () => {
  const { baseUrl, url, deployer, events, adopt } = await theirs();
  const { versionId } = await adopt();
  await wrangler(baseUrl, 'rollback', '--name', NAME, '--yes', '--message', 'the VPS is gone');
  const { version } = await visit(url, never);
  expect(version).not.toBe(versionId);
  expect(await deployer.checkDrift(never)).toBe(true);
  expect(events.at(-1)).toMatchObject({
    status: 'drifted',
    error: `it was deployed outside: 100 % to version ${version}, not 100 % to ${versionId}`,
  });
  expect(await visit(url, never)).toMatchObject({ version });
  expect(await adopt()).toMatchObject({ versionId: version, proof: 'observed' });
  expect(await deployer.checkDrift(never)).toBe(false);
  expect(deployer.workers()[0]?.drift).toBeUndefined();
}, 30_000);
