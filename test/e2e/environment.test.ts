import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadKey } from '../sandbox/identity.ts';

const MAIN = join(import.meta.dirname, '../../orchestrator/src/main.ts');

function run(env: Record<string, string>): Promise<{ code: number | string | undefined; err: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number | string | undefined; err: string }>();
  const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 10_000 };
  execFile(process.execPath, [MAIN], options, (error, _, stderr) => {
    resolve({ code: error?.code ?? 0, err: stderr.trim() });
  });
  return promise;
}

const dir = mkdtempSync(join(tmpdir(), 'environment-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const goodEnv = (): Record<string, string> => ({
  ORCHESTRATOR_ID: 'vps-1',
  EDGE_URL: 'http://127.0.0.1:9',
  KEY_FILE: loadKey(dir, 'vps-1').file,
  DATA_DIR: join(dir, 'data'),
  PORT: '0',
});

test.concurrent.each([
  ['ORCHESTRATOR_ID', undefined],
  ['ORCHESTRATOR_ID', 'Not An Id'],
  ['EDGE_URL', undefined],
  ['EDGE_URL', 'console.example.com'],
  ['EDGE_URL', 'http://console.example.com'],
  ['KEY_FILE', undefined],
  ['KEY_FILE', '/nowhere/key.pem'],
  ['KEY_FILE', '/etc/hostname'],
  ['DATA_DIR', undefined],
  ['DATA_DIR', '/dev/null/data'],
  ['PORT', 'many'],
  ['PORT', '70000'],
  ['LANES', '0'],
  ['UPSTREAM_ALLOW', 'everything'],
  ['CLOUDFLARE_API_TOKEN', 'only-a-token'],
  ['CLOUDFLARE_BASE_URL', 'not a url'],
  ['CF_ACCESS_CLIENT_ID', 'only-an-id'],
  ['LOG_LEVEL', 'loud'],
])('a start with %s = %s ends with exit 2 and one line that names it', async (name, value) => {
  const env = goodEnv();
  delete env[name];
  const { code, err } = await run(value === undefined ? env : { ...env, [name]: value });
  expect(code).toBe(2);
  expect(err.split('\n')).toHaveLength(1);
  expect(err).toContain(name.replace(/_(TOKEN|ID)$/, ''));
});
