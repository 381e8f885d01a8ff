import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { temporaryDir } from '../sandbox/fixture.ts';
import { type SandboxFile, sandboxFile } from '../sandbox/sandbox-file.ts';

const SANDBOX = join(import.meta.dirname, '../sandbox');

interface Running {
  readonly process: ChildProcess;
  readonly file: SandboxFile;
  readonly readyMs: number;
}

const filePath = (cwd: string) => join(cwd, '.sandbox/sandbox.json');
const readFile = (cwd: string) => sandboxFile.parse(JSON.parse(readFileSync(filePath(cwd), 'utf8')));

/** What `npm start` runs, as the leader of a process group of its own, as a shell would make it. */
async function start(cwd: string): Promise<Running> {
  const began = performance.now();
  const child = spawn(process.execPath, [join(SANDBOX, 'main.ts')], { cwd, detached: true, stdio: 'ignore' });
  onTestFinished(() => void killGroup(child));
  await eventually(
    'it is ready',
    async () => existsSync(filePath(cwd)),
    (is) => is,
    30_000,
  );
  return { process: child, file: readFile(cwd), readyMs: performance.now() - began };
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {
    // Nobody is left in it, as it should be.
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** The process group of a process: field 5 of /proc/<pid>/stat (proc(5)), behind the name in brackets. */
const groupOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]);

async function sandboxCommand(cwd: string, ...args: string[]): Promise<number | null> {
  const child = spawn(process.execPath, [join(SANDBOX, 'control/main.ts'), ...args], {
    cwd,
    stdio: 'ignore',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

const PARTS = ['cloudflare', 'edge', 'orchestrator', 'upstream', 'workers'];

test('Ctrl-C ends all of it with exit 0 and leaves nothing; the next start finds all state', {
  timeout: 60_000,
}, async () => {
  const cwd = temporaryDir();
  const first = await start(cwd);
  expect(Object.keys(first.file.pids).sort()).toEqual(PARTS);
  for (const pid of Object.values(first.file.pids)) expect(groupOf(pid)).toBe(first.process.pid);
  const body = JSON.stringify({
    action: 'update_config',
    siteId: first.file.siteId,
    payload: { base: 1, patch: { worker: { vars: { KEPT: 'yes' } } } },
  });
  const headers = { authorization: `Bearer ${first.file.adminToken}`, 'content-type': 'application/json' };
  const url = `${first.file.edgeUrl}/api/v1/orchestrator`;
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(202);

  const ended = once(first.process, 'exit');
  process.kill(-(first.process.pid ?? 0), 'SIGINT');
  expect(await ended).toEqual([0, null]);
  expect(Object.values(first.file.pids).filter(isAlive)).toEqual([]);
  expect(existsSync(filePath(cwd))).toBe(false);

  const second = await start(cwd);
  expect(second.readyMs, 'ready in under 8 s').toBeLessThan(8_000);
  expect(second.file).toMatchObject({
    siteId: first.file.siteId,
    upstreamUrl: first.file.upstreamUrl,
    cloudflareApiUrl: first.file.cloudflareApiUrl,
    cloudflareApiToken: first.file.cloudflareApiToken,
  });
  const { edgeUrl, siteId, relayUrl } = second.file;
  const config = await (await fetch(`${edgeUrl}/api/v1/sites/${siteId}/config`, { headers })).json();
  expect(config).toMatchObject({ generation: 2, config: { worker: { vars: { KEPT: 'yes' } } } });
  expect((await fetch(`${relayUrl}/s/${siteId}/echo`)).status).toBe(200);

  const stopped = once(second.process, 'exit');
  second.process.kill('SIGTERM');
  expect(await stopped).toEqual([0, null]);
  expect(Object.values(second.file.pids).filter(isAlive)).toEqual([]);
});

test('a part that is killed comes back under a new pid in the file; a stopped one stays down', {
  timeout: 60_000,
}, async () => {
  const cwd = temporaryDir();
  const { file, process: child } = await start(cwd);
  for (const part of PARTS) process.kill(file.pids[part] ?? 0, 'SIGKILL');
  await eventually(
    'every part has a new pid',
    async () => readFile(cwd).pids,
    (pids) => PARTS.every((part) => pids[part] !== undefined && pids[part] !== file.pids[part]),
  );
  const works = () => fetch(`${file.relayUrl}/s/${file.siteId}/echo`);
  await eventually('requests cross again', works, ({ status }) => status === 200);

  expect(await sandboxCommand(cwd, 'stop', 'upstream')).toBe(0);
  expect(readFile(cwd).pids).not.toHaveProperty('upstream');
  expect((await works()).status).toBeGreaterThanOrEqual(500);
  expect(await sandboxCommand(cwd, 'start', 'upstream')).toBe(0);
  expect((await works()).status).toBe(200);
  expect(await sandboxCommand(cwd, 'restart', 'edge')).toBe(0);
  await eventually('requests cross again', works, ({ status }) => status === 200);
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(await sandboxCommand(cwd, 'stop', 'upstream')).toBe(1);
});
