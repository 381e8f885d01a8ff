import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { endLeftovers } from './leftovers.ts';

async function running(mark: string) {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', mark]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  return { pid: child.pid ?? 0, ended: once(child, 'exit') };
}

test('a recorded process is ended only if its command still bears the mark', async () => {
  const ours = await running('/some/sandbox/edge.capnp');
  const reused = await running('/another/program');
  const gone = await running('/some/sandbox/gone');
  process.kill(gone.pid, 'SIGKILL');
  await gone.ended;
  const pids = { edge: ours.pid, upstream: reused.pid, workers: gone.pid };
  expect(endLeftovers(pids, ['/some/sandbox/'])).toEqual(['edge']);
  expect(await ours.ended).toEqual([null, 'SIGKILL']);
  expect(process.kill(reused.pid, 0)).toBe(true);
});
