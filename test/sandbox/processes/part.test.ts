import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownPart, temporaryDir, until } from '../fixture.ts';
import type { PartSpec } from './part.ts';

/** A part that runs a line of JavaScript; it is up once it has written its file. */
function scripted(code: string): PartSpec & { readonly upFile: string } {
  const dir = temporaryDir();
  const upFile = join(dir, 'up');
  return {
    name: 'scripted',
    command: process.execPath,
    args: ['-e', code],
    env: { UP: upFile },
    output: { file: join(dir, 'log') },
    isUp: async () => existsSync(upFile),
    graceMs: 200,
    upFile,
  };
}

const LIVES = `require('node:fs').writeFileSync(process.env.UP, ''); setInterval(() => {}, 1000);`;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('a part that dies is started again, after a second, and this is told', async () => {
  const told: string[] = [];
  const part = ownPart(scripted(LIVES), { revived: (name, how) => told.push(`${name} ${how}`) });
  await part.start();
  const first = part.pid ?? 0;
  const began = performance.now();
  process.kill(first, 'SIGKILL');
  await until('another process runs', () => part.pid !== undefined && part.pid !== first);
  expect(performance.now() - began).toBeGreaterThan(900);
  expect(told).toEqual(['scripted SIGKILL']);
});

test('every start and every end is told, so that the pids can be published', async () => {
  const pids: (number | undefined)[] = [];
  const part = ownPart(scripted(LIVES), { changed: () => pids.push(part.pid) });
  await part.start();
  await part.stop();
  expect(pids).toEqual([expect.any(Number), undefined]);
});

test('a stopped part stays down until it is started', async () => {
  const part = ownPart(scripted(LIVES));
  await part.start();
  const first = part.pid ?? 0;
  await part.stop();
  expect(part.pid).toBeUndefined();
  expect(isAlive(first)).toBe(false);
  await part.start();
  expect(part.pid).not.toBe(first);
});

test('stopping a part that waits for its revival keeps it down', async () => {
  let changes = 0;
  const part = ownPart(scripted(LIVES), { changed: () => changes++ });
  await part.start();
  process.kill(part.pid ?? 0, 'SIGKILL');
  await until('its end is seen', () => part.pid === undefined);
  await part.stop();
  expect([part.pid, changes]).toEqual([undefined, 2]);
});

test('a part that ignores SIGTERM is killed when its grace is over', async () => {
  const part = ownPart(scripted(`process.on('SIGTERM', () => {}); ${LIVES}`));
  await part.start();
  const pid = part.pid ?? 0;
  await part.stop();
  expect(isAlive(pid)).toBe(false);
});

test('starting twice starts one process', async () => {
  const part = ownPart(scripted(LIVES));
  await Promise.all([part.start(), part.start()]);
  const pid = part.pid;
  await part.start();
  expect(part.pid).toBe(pid);
});

test('a part that ends again and again fails its start, with the end of its log', async () => {
  const part = ownPart(scripted(`console.error('PORT is missing'); process.exit(2)`));
  await expect(part.start()).rejects.toThrow(
    /the scripted ends again and again \(exit 2\).*PORT is missing/s,
  );
});
