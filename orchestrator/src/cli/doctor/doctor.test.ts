import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SUBPROTOCOL } from '@clawdbot/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';
import { CliError, type Io } from '../io.ts';
import { doctor } from './doctor.ts';

/** An edge: its health with this date, and an upgrade that it takes or refuses. */
async function edge({ skewMs = 0, refuse = false } = {}): Promise<string> {
  const server = createServer((_request, response) => {
    response.sendDate = false;
    response.setHeader('date', new Date(Date.now() + skewMs).toUTCString());
    response.end(JSON.stringify({ status: 'healthy', version: '0.1.0' }));
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  server.on('upgrade', (request, socket, head) => {
    if (!refuse) return sockets.handleUpgrade(request, socket, head, () => undefined);
    const body = JSON.stringify({
      type: 'about:blank',
      title: 'x',
      status: 403,
      code: 'key_revoked',
      detail: 'the key was revoked',
      retryable: false,
    });
    socket.end(
      `HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    for (const client of sockets.clients) client.terminate();
  });
  // A TCP server's address is an object, and there is one once it listens.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What an orchestrator that runs says of itself. */
const HEALTH = {
  status: 'healthy',
  version: '0.1.0',
  uptime: 1,
  workers: [],
  tunnel: { state: 'not_configured' },
  storage: { state: 'ok' },
  channel: { state: 'open', since: '2026-11-01T10:00:00.000Z' },
};

function environment(edgeUrl: string) {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const KEY_FILE = join(folder, 'key.pem');
  writeFileSync(KEY_FILE, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  // Nothing listens on port 1.
  return { ORCHESTRATOR_ID: 'vps-1', EDGE_URL: edgeUrl, KEY_FILE, DATA_DIR: folder, PORT: '1' };
}

async function examine(env: Record<string, string>, more: Partial<Io> = {}) {
  const out: string[] = [];
  const io: Io = {
    env,
    cwd: '/',
    fetcher: fetch,
    wait: async () => undefined,
    now: Date.now,
    newId: () => 'jti-12345678',
    readStdin: async () => '',
    out: (text) => void out.push(text),
    err: () => undefined,
    ...more,
  };
  const error = await doctor(io, false).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { lines: out, error };
}

describe('the doctor', () => {
  it('finds all well, and skips what cannot be said', async () => {
    const fetcher: typeof fetch = async (input, init) =>
      String(input) === 'http://127.0.0.1:1/health' ? Response.json(HEALTH) : fetch(input, init);
    const { lines, error } = await examine(environment(await edge()), { fetcher });
    expect(error).toBeUndefined();
    expect(lines.map((line) => line.slice(0, 20).trim())).toEqual([
      'ok      environment',
      'ok      key',
      'ok      data',
      'ok      process',
      'skipped Cloudflare',
      'ok      DNS',
      'ok      TCP',
      'skipped TLS',
      'ok      edge',
      'ok      clock',
      'ok      channel',
    ]);
  });

  it('says that no orchestrator runs, and looks on', async () => {
    const { lines, error } = await examine(environment(await edge()));
    expect(lines).toContainEqual(
      expect.stringMatching(/^not ok {2}process +no orchestrator answers on port 1 \(.+\): start it$/),
    );
    expect(lines.at(-1)).toMatch(/^ok {6}channel/);
    expect(error).toEqual(new CliError('not ok: process'));
  });

  it('names the variable that is missing, and looks no further', async () => {
    const { EDGE_URL: _, ...env } = environment('x');
    const { lines, error } = await examine(env);
    expect(lines).toEqual([expect.stringMatching(/^not ok {2}environment EDGE_URL is missing: set it/)]);
    expect(error).toEqual(new CliError('not ok: environment'));
  });

  it('finds a clock that differs by more than the edge tolerates', async () => {
    const { lines, error } = await examine(environment(await edge({ skewMs: 120_000 })));
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^not ok {2}clock +it differs from the edge’s by 1(19|20) s: set this machine’s clock/,
      ),
    );
    expect(error).toEqual(new CliError('not ok: process, clock'));
  });

  it('hands on why the edge refuses the key', async () => {
    const { lines, error } = await examine(environment(await edge({ refuse: true })));
    expect(lines.at(-1)).toMatch(/^not ok {2}channel .*key_revoked: the key was revoked/);
    expect(error).toEqual(new CliError('not ok: process, channel'));
  });

  it('stops at the port when nothing answers there', async () => {
    const { lines } = await examine(environment('http://127.0.0.1:1'));
    expect(lines.at(-1)).toMatch(/^not ok {2}TCP .*ECONNREFUSED.*port 1 must be allowed/);
  });

  it.each([
    ['active', 200, /^ok {6}Cloudflare +the token is active/],
    ['expired', 200, /^not ok {2}Cloudflare +the token is expired: make a token/],
    [undefined, 401, /^not ok {2}Cloudflare +the token is refused: make a token/],
  ])('verifies the Cloudflare token: %s', async (status, code, expected) => {
    const env = {
      ...environment('http://127.0.0.1:1'),
      CLOUDFLARE_API_TOKEN: 't',
      CLOUDFLARE_ACCOUNT_ID: 'acc',
    };
    const fetcher: typeof fetch = async (input, init) =>
      String(input).startsWith('https://api.cloudflare.com/')
        ? Response.json(
            { success: code === 200, result: status === undefined ? null : { status } },
            { status: code },
          )
        : fetch(input, init);
    const { lines } = await examine(env, { fetcher });
    expect(lines).toContainEqual(expect.stringMatching(expected));
  });

  it.each([
    [
      'cannot be reached',
      () =>
        Promise.reject(
          new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 192.0.2.1:443') }),
        ),
      /^not ok {2}Cloudflare +https:\/\/api\.cloudflare\.com\/\S+ cannot be reached \(connect ECONNREFUSED 192\.0\.2\.1:443\): this machine must/,
    ],
    [
      'is out of order',
      async () => new Response('', { status: 503 }),
      /^not ok {2}Cloudflare +https:\/\/api\.cloudflare\.com\/\S+ answers 503: that is not about the token/,
    ],
  ])('blames no token when Cloudflare %s', async (_what, answer, expected) => {
    const env = {
      ...environment('http://127.0.0.1:1'),
      CLOUDFLARE_API_TOKEN: 't',
      CLOUDFLARE_ACCOUNT_ID: 'acc',
    };
    const fetcher: typeof fetch = (input, init) =>
      String(input).startsWith('https://api.cloudflare.com/') ? answer() : fetch(input, init);
    const { lines } = await examine(env, { fetcher });
    expect(lines).toContainEqual(expect.stringMatching(expected));
  });
});
