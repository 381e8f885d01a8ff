import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Random } from '../simulation/random.ts';
import { Rig } from './rig.ts';

/** SQLite's own (https://sqlite.org/fileformat.html). */
const PAGE_BYTES = 4_096;

/** Overwrites a piece in each of the pages behind the first. */
function damage(file: string, random: Random): void {
  const fd = openSync(file, 'r+');
  try {
    for (let at = PAGE_BYTES; at < statSync(file).size; at += PAGE_BYTES) {
      writeSync(fd, random.bytes(64), 0, 64, at);
    }
  } finally {
    closeSync(fd);
  }
}

/** Every file of a folder with its digest. */
const digests = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(dir, name)))
          .digest('hex'),
      ]),
  );

async function run({ command, args, env }: ReturnType<Rig['sandbox']['spec']>) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('exit', resolve);
  const said = Buffer.concat(await child.stderr.toArray()).toString();
  return { code: await promise, lines: said.trim().split('\n') };
}

test('a damaged database ends the start with one line that names it and what to do, and stays as it is', async () => {
  const rig = await Rig.start();
  onTestFinished(() => rig.stop());
  await rig.sandbox.stopPart('orchestrator');
  const dir = dirname(rig.vpsDatabase);
  damage(rig.vpsDatabase, new Random(1));
  const before = digests(dir);
  const { code, lines } = await run(rig.sandbox.spec('orchestrator'));
  expect(code).toBe(2);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(rig.vpsDatabase);
  expect(lines[0]).toContain('clawctl restore');
  expect(digests(dir)).toEqual(before);
});
