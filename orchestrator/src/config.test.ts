import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function keyFile(name: string, namedCurve: string, mode: number): string {
  const path = join(folder, name);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  chmodSync(path, mode);
  return path;
}
const notAKey = join(folder, 'text');
writeFileSync(notAKey, 'hello', { mode: 0o600 });

const GOOD = {
  ORCHESTRATOR_ID: 'vps-1',
  EDGE_URL: 'https://console.example.com',
  KEY_FILE: keyFile('key.pem', 'P-256', 0o600),
  DATA_DIR: join(folder, 'data'),
};
const CLOUDFLARE = { CLOUDFLARE_API_TOKEN: 'cf-token', CLOUDFLARE_ACCOUNT_ID: 'abc' };

function complaint(env: Record<string, string | undefined>): string {
  try {
    readConfig({ ...GOOD, ...env });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  return 'no complaint';
}

describe('the environment', () => {
  it('needs four variables; the rest has defaults', () => {
    const config = readConfig(GOOD);
    expect(config).toMatchObject({
      orchestratorId: 'vps-1',
      edgeUrl: 'https://console.example.com',
      port: 3000,
      lanes: 1,
      logLevel: 'info',
      cloudflare: undefined,
      access: undefined,
      production: false,
    });
    expect(config.upstreamAllow.allows('http://127.0.0.1:9000')).toBe(true);
  });

  it('reads all of them', () => {
    const config = readConfig({
      ...GOOD,
      ...CLOUDFLARE,
      EDGE_URL: 'ws://127.0.0.1:8787/',
      PORT: '0',
      LANES: '16',
      UPSTREAM_ALLOW: 'n8n:5678',
      CLOUDFLARE_BASE_URL: 'http://127.0.0.1:99/client/v4/',
      CF_ACCESS_CLIENT_ID: 'id',
      CF_ACCESS_CLIENT_SECRET: 'access-secret',
      WATCH_MINUTES: '15',
      LOG_LEVEL: 'debug',
      NODE_ENV: 'production',
    });
    expect(config).toMatchObject({
      edgeUrl: 'http://127.0.0.1:8787',
      port: 0,
      lanes: 16,
      watchMinutes: 15,
      cloudflare: { apiToken: 'cf-token', accountId: 'abc', baseUrl: 'http://127.0.0.1:99/client/v4' },
      access: { clientId: 'id', clientSecret: 'access-secret' },
      production: true,
      secrets: ['cf-token', 'access-secret'],
    });
  });

  it.each<[name: string, env: Record<string, string | undefined>, complaint: RegExp]>([
    ['ORCHESTRATOR_ID', { ORCHESTRATOR_ID: undefined }, /is missing: .*vps-1/],
    ['ORCHESTRATOR_ID', { ORCHESTRATOR_ID: 'Not An Id' }, /is not an orchestrator id: .*vps-1/],
    ['EDGE_URL', { EDGE_URL: undefined }, /is missing: set it to the console's address, e\.g\. https/],
    ['EDGE_URL', { EDGE_URL: '' }, /is missing/],
    ['EDGE_URL', { EDGE_URL: 'console.example.com' }, /is not an http/],
    ['EDGE_URL', { EDGE_URL: 'http://console.example.com' }, /is not encrypted/],
    ['EDGE_URL', { EDGE_URL: 'ws://localhost.example.com' }, /is not encrypted/],
    ['EDGE_URL', { EDGE_URL: 'https://a.example/channel' }, /more than an origin/],
    ['EDGE_URL', { EDGE_URL: 'https://u:p@a.example' }, /more than an origin/],
    ['KEY_FILE', { KEY_FILE: undefined }, /is missing/],
    ['KEY_FILE', { KEY_FILE: join(folder, 'nowhere') }, /does not exist/],
    ['KEY_FILE', { KEY_FILE: notAKey }, /no usable key/],
    ['KEY_FILE', { KEY_FILE: keyFile('p384', 'P-384', 0o600) }, /not EC on P-256/],
    ['KEY_FILE', { KEY_FILE: keyFile('open', 'P-256', 0o644) }, /chmod 600/],
    ['KEY_FILE', { KEY_FILE: keyFile('group', 'P-256', 0o640) }, /chmod 600/],
    ['KEY_FILE', { KEY_FILE: folder }, /^KEY_FILE is not a file (?!.*chmod)/],
    ['DATA_DIR', { DATA_DIR: undefined }, /is missing/],
    ['DATA_DIR', { DATA_DIR: '/proc/x' }, /cannot be written/],
    ['DATA_DIR', { DATA_DIR: join(notAKey, 'below-a-file') }, /cannot be written/],
    ['PORT', { PORT: 'http' }, /is not a number in range/],
    ['PORT', { PORT: '65536' }, /is not a number in range/],
    ['LANES', { LANES: '0' }, /is not a number in range: .*1 to 16/],
    ['LANES', { LANES: '17' }, /is not a number in range/],
    ['LANES', { LANES: 'two' }, /is not a number in range/],
    ['WATCH_MINUTES', { WATCH_MINUTES: '0' }, /is not a number in range: .*1 to 59/],
    ['WATCH_MINUTES', { WATCH_MINUTES: '60' }, /is not a number in range/],
    ['UPSTREAM_ALLOW', { UPSTREAM_ALLOW: 'http://ok:1,localhost' }, /"localhost" is neither/],
    ['CLOUDFLARE_ACCOUNT_ID', { CLOUDFLARE_API_TOKEN: 'x' }, /is missing: .*together/],
    ['CLOUDFLARE_API_TOKEN', { CLOUDFLARE_ACCOUNT_ID: 'x' }, /is missing: .*together/],
    ['CLOUDFLARE_ACCOUNT_ID', { ...CLOUDFLARE, CLOUDFLARE_ACCOUNT_ID: 'a/b' }, /is not an account id/],
    ['CLOUDFLARE_BASE_URL', { CLOUDFLARE_BASE_URL: 'nowhere' }, /is not an http/],
    ['CLOUDFLARE_BASE_URL', { CLOUDFLARE_BASE_URL: 'http://api.example' }, /is not encrypted/],
    ['CF_ACCESS_CLIENT_SECRET', { CF_ACCESS_CLIENT_ID: 'x' }, /is missing: .*together/],
    ['CF_ACCESS_CLIENT_ID', { CF_ACCESS_CLIENT_SECRET: 'x' }, /is missing: .*together/],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }, /is not a level/],
  ])('stops the start with one line that names %s %o', (name, env, expected) => {
    const line = complaint(env);
    expect(line).toMatch(new RegExp(`^${name} `));
    expect(line).toMatch(expected);
    expect(line).not.toContain('\n');
  });

  it('makes the data folder with what is missing above it, for this user alone', () => {
    const DATA_DIR = join(folder, 'a/b');
    readConfig({ ...GOOD, DATA_DIR });
    expect([join(folder, 'a'), DATA_DIR].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
    readConfig({ ...GOOD, DATA_DIR });
  });

  it('does not print a secret in its complaint', () => {
    expect(complaint({ CLOUDFLARE_API_TOKEN: 'very-secret' })).not.toContain('very-secret');
  });
});
