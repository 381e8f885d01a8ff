import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { digestOf, EMPTY_CONFIG, edgeCodec } from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { TestEdge, until } from './link/edge.fixture.ts';
import { openStore } from './store/index.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const TIMEOUT_MS = 20_000;

let dir: string;
let edge: TestEdge;
let env: Record<string, string>;
let spawned: Orchestrator[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'orchestrator-'));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyFile = join(dir, 'key.pem');
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  edge = new TestEdge();
  spawned = [];
  env = {
    ORCHESTRATOR_ID: 'vps-1',
    EDGE_URL: await edge.listen(),
    KEY_FILE: keyFile,
    DATA_DIR: join(dir, 'data'),
    PORT: '0',
    NODE_ENV: 'production',
  };
});
afterEach(async () => {
  for (const { child } of spawned) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await edge.close();
  rmSync(dir, { recursive: true });
});

class Orchestrator {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  stdout = '';
  stderr = '';

  constructor() {
    this.child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (data) => {
      this.stdout += String(data);
    });
    this.child.stderr.on('data', (data) => {
      this.stderr += String(data);
    });
    spawned.push(this);
  }

  async exit(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'close');
    return this.child.exitCode;
  }

  async get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const url = await until('the HTTP API', () => /"http":"([^"]+)"/.exec(this.stdout)?.[1]);
    const response = await fetch(url + path);
    const body = z.record(z.string(), z.unknown()).parse(await response.json());
    return { status: response.status, body };
  }
}

describe('the orchestrator as a process', { timeout: TIMEOUT_MS }, () => {
  it('connects, is ready, and drains on SIGTERM', async () => {
    const orchestrator = new Orchestrator();
    const socket = await edge.welcomed(0);
    await socket.frame('status');
    expect((await orchestrator.get('/ready')).status).toBe(200);
    expect((await orchestrator.get('/health')).body).toMatchObject({ channel: { state: 'open', fence: 1 } });
    orchestrator.child.kill('SIGTERM');
    await socket.frame('drain');
    expect(await orchestrator.exit()).toBe(0);
    await until('the close', () => socket.closed === 1001);
    expect(orchestrator.stderr).toBe('');
  });

  it('carries out a command and reports it, durably; the last status has nothing left to send', async () => {
    new Orchestrator();
    const socket = await edge.welcomed(0);
    const body = edgeCodec.encodeEntry({
      type: 'update_config',
      commandId: 'cmd_vps-1_0000000000000000000001',
      siteId: 'site-1',
      generation: 1,
      digest: digestOf(EMPTY_CONFIG),
      config: EMPTY_CONFIG,
    });
    socket.send({ type: 'entry', log: 'control', seq: 1, at: 1, body });
    await socket.frame('ack');
    const entries = await until('the entries', () => {
      const found = socket.frames.filter((frame) => frame.type === 'entry');
      return found.length === 3 && found.map((frame) => edgeCodec.decodeEntry(frame.body));
    });
    expect(entries).toEqual([
      { body: expect.objectContaining({ type: 'command_progress', milestone: 'running' }) },
      { body: expect.objectContaining({ type: 'sync_event' }) },
      { body: expect.objectContaining({ type: 'command_result', state: 'succeeded' }) },
    ]);
    socket.send({ type: 'ack', log: 'control', applied: 3 });
    await until('a status without entries that wait', () => {
      const last = socket.frames.findLast((frame) => frame.type === 'status');
      return last?.queues.outbox === 0 && last.sites.length === 1;
    });
  });

  it('is connected again within 3 s after a SIGKILL, with a higher generation', async () => {
    const first = new Orchestrator();
    const { generation } = await (await edge.welcomed(0)).frame('hello');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const restarted = Date.now();
    new Orchestrator();
    const hello = await (await edge.welcomed(1)).frame('hello');
    expect(Date.now() - restarted).toBeLessThan(3_000);
    expect(hello.generation).toBe(generation + 1);
  });

  it('stays up, not dialling and not ready, when a newer process has taken over', async () => {
    const orchestrator = new Orchestrator();
    (await edge.welcomed(0)).close(4409);
    await until('the refusal', () => orchestrator.stdout.includes('refused for good'));
    const { status, body } = await orchestrator.get('/ready');
    expect([status, body['ready']]).toEqual([503, false]);
    expect((await orchestrator.get('/health')).body).toMatchObject({ channel: { state: 'refused' } });
    expect(edge.upgrades).toBe(1);
    orchestrator.child.kill('SIGTERM');
    expect(await orchestrator.exit()).toBe(0);
  });

  it('refuses a damaged database in one line, with exit 2', async () => {
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'data', 'orchestrator.db'), 'not a database '.repeat(500));
    const orchestrator = new Orchestrator();
    expect(await orchestrator.exit()).toBe(2);
    expect(orchestrator.stderr).toMatch(/^.*orchestrator\.db is damaged.*clawctl restore <backup>\n$/);
  });

  it('refuses the database of another orchestrator in one line, with exit 2', async () => {
    openStore(join(dir, 'data'), 'demo-vps').close();
    const orchestrator = new Orchestrator();
    expect(await orchestrator.exit()).toBe(2);
    expect(orchestrator.stderr).toMatch(/^.*orchestrator\.db is the database of demo-vps, not vps-1: .*\n$/);
  });

  it('removes a site with its config, says so in the status, and takes generation 1 of it again', async () => {
    new Orchestrator();
    const socket = await edge.welcomed(0);
    const push = (seq: number, entry: Parameters<typeof edgeCodec.encodeEntry>[0]) =>
      socket.send({ type: 'entry', log: 'control', seq, at: 1, body: edgeCodec.encodeEntry(entry) });
    const config = (n: number, vars: Record<string, string>) => ({
      type: 'update_config' as const,
      commandId: `cmd_vps-1_000000000000000000000${n}`,
      siteId: 'site-1',
      generation: 1,
      digest: digestOf({ routes: [], worker: { vars } }),
      config: { routes: [], worker: { vars } },
    });
    const sites = (digest: string | undefined) =>
      until(`a status with ${digest}`, () => {
        const last = socket.frames.findLast((frame) => frame.type === 'status');
        return last !== undefined && last.sites[0]?.digest === digest;
      });
    const [first, again] = [config(1, { A: '1' }), config(2, { A: '2' })];
    push(1, first);
    await sites(first.digest);
    push(2, { type: 'remove_site', siteId: 'site-1' });
    await sites(undefined);
    push(3, again);
    await sites(again.digest);
  });

  it('names a missing variable, or a taken port, in one line, with exit 2', async () => {
    const port = new URL(env['EDGE_URL'] ?? '').port;
    env = { ...env, PORT: port };
    const taken = new Orchestrator();
    expect(await taken.exit()).toBe(2);
    expect(taken.stderr).toMatch(/^PORT .*\n$/);
    env = { ...env, ORCHESTRATOR_ID: '' };
    const missing = new Orchestrator();
    expect(await missing.exit()).toBe(2);
    expect(missing.stderr).toMatch(/^ORCHESTRATOR_ID .*\n$/);
  });

  it('leaves the database to the process that runs when it is started twice by mistake', async () => {
    const first = new Orchestrator();
    const socket = await edge.welcomed(0);
    const port = await until('the port', () => /"http":"http:[^"]*:(\d+)"/.exec(first.stdout)?.[1]);
    env = { ...env, PORT: port };
    expect(await new Orchestrator().exit()).toBe(2);
    const command = {
      type: 'cancel_command' as const,
      commandId: 'cmd_vps-1_0000000000000000000001',
      reason: '',
    };
    socket.send({ type: 'entry', log: 'control', seq: 1, at: 1, body: edgeCodec.encodeEntry(command) });
    await socket.frame('ack');
    expect((await first.get('/ready')).status).toBe(200);
  });

  it('halts, and stays up, when a newer process has opened its database', async () => {
    const first = new Orchestrator();
    const socket = await edge.welcomed(0);
    new Orchestrator();
    await edge.welcomed(1);
    const command = {
      type: 'cancel_command' as const,
      commandId: 'cmd_vps-1_0000000000000000000001',
      reason: '',
    };
    socket.send({ type: 'entry', log: 'control', seq: 1, at: 1, body: edgeCodec.encodeEntry(command) });
    await until('the close', () => socket.closed === 4409);
    expect(socket.frames.filter(({ type }) => type === 'ack')).toEqual([]);
    expect((await first.get('/ready')).body['reason']).toMatch('newer process');
  });

  it('exits at once at a second signal', async () => {
    const orchestrator = new Orchestrator();
    const socket = await edge.welcomed(0);
    const deadlineMs = 60_000;
    // Nothing answers this request: an upstream that accepts and keeps silent.
    const config = {
      ...EMPTY_CONFIG,
      routes: [{ path: '/*', upstream: `${env['EDGE_URL']}`, offline: 'unavailable' as const }],
    };
    const body = edgeCodec.encodeEntry({
      type: 'update_config',
      commandId: 'cmd_vps-1_0000000000000000000001',
      siteId: 'site-1',
      generation: 1,
      digest: digestOf(config),
      config,
    });
    socket.send({ type: 'entry', log: 'control', seq: 1, at: 1, body });
    await until('the result', () => socket.frames.filter(({ type }) => type === 'entry').length === 3);
    socket.send({
      type: 'request',
      id: 2,
      target: 'upstream',
      siteId: 'site-1',
      method: 'GET',
      url: '/',
      headers: [],
      body: { kind: 'none' },
      requestId: 'r',
      deadlineMs,
    });
    orchestrator.child.kill('SIGTERM');
    await socket.frame('drain');
    orchestrator.child.kill('SIGTERM');
    expect(await orchestrator.exit()).toBe(1);
  });
});
