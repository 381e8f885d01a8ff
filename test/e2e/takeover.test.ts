import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { choosePorts } from '../sandbox/ports.ts';
import { Part } from '../sandbox/processes/part.ts';
import { answers } from '../sandbox/processes/polling.ts';
import { otherOrchestrator } from './harness/other.ts';
import type { Impostor } from './harness/raw-channel.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();
let other: Impostor;

beforeAll(() => {
  other = otherOrchestrator(system());
});

test('S5: a newer generation takes over, and the older socket ends for good', async () => {
  const older = await other.connect();
  const newer = await other.connect();
  expect(await older.closed()).toMatchObject({ code: 4409 });
  expect(newer.isOpen).toBe(true);
});

test('S5: a stale process that redials is refused, and the newer one keeps its session', async () => {
  const newer = await other.connect();
  const stale = await other.dial();
  stale.send([other.hello({ generation: other.hello().generation - 1 })]);
  expect(await stale.closed()).toMatchObject({ code: 4409 });
  const twin = await other.dial();
  twin.send([other.hello({ instanceId: 'another-instance' })]);
  expect(await twin.closed()).toMatchObject({ code: 4409 });
  expect(newer.isOpen).toBe(true);
});

test('S6: the same process may dial again: its older socket is replaced, under a higher fence', async () => {
  const first = await other.connect();
  const again = await other.dial();
  again.send([other.hello()]);
  const { fence } = await again.next('welcome');
  expect(await first.closed()).toMatchObject({ code: 4410 });
  expect((await system().orchestrator(other.id, system().file.other.adminToken)).fence).toBe(fence);
});

/** A second process of the demo orchestrator, on a copy of its database: what a cloned VPS would be. */
async function startClone(): Promise<{ url: string; part: Part }> {
  const { sandbox } = system();
  const { env, ...spec } = sandbox.spec('orchestrator');
  const dir = join(sandbox.layout.dir, 'clone');
  cpSync(env['DATA_DIR'] ?? '', dir, { recursive: true });
  const { orchestrator: port } = (await choosePorts(dir, {}, Math.random)).ports;
  const url = `http://127.0.0.1:${port}`;
  const part = new Part(
    {
      ...spec,
      env: { ...env, PORT: String(port), DATA_DIR: dir },
      output: { file: join(sandbox.layout.dir, 'logs/clone.log') },
      isUp: () => answers(`${url}/health`, 'anything'),
    },
    { changed: () => undefined, revived: () => undefined },
  );
  onTestFinished(() => part.stop());
  await part.start();
  return { url, part };
}

const healthOf = async (url: string) =>
  (await (await fetch(`${url}/health`)).json()) as { channel: { state: string; reason?: string } };

test('S12: of two processes with one id the newer wins; the older stays up, says why, and does not fight', async () => {
  const { orchestratorUrl, pids } = system().file;
  const clone = await startClone();
  await eventually(
    'the newer one has the channel',
    () => healthOf(clone.url),
    ({ channel }) => channel.state === 'open',
  );
  const older = await eventually(
    'the older one has been refused',
    () => healthOf(orchestratorUrl),
    ({ channel }) => channel.state === 'refused',
  );
  expect(older.channel.reason).toMatch(/newer process/);
  expect((await fetch(`${orchestratorUrl}/ready`)).status).toBe(503);
  const { fence } = await system().orchestrator();
  await system().works();
  expect((await system().orchestrator()).fence, 'nobody has dialled since').toBe(fence);
  expect(system().file.pids['orchestrator'], 'the older one was not restarted').toBe(pids['orchestrator']);
  expect((await healthOf(clone.url)).channel.state).toBe('open');
});
