import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from './fixture.ts';

const INSTALL = join(import.meta.dirname, 'install.mjs');

/** A project whose lock file is of that second, and an npm that only notes how it was called. */
function project(lockedAtS: number) {
  const dir = temporaryDir();
  writeFileSync(join(dir, 'package-lock.json'), '{}');
  utimesSync(join(dir, 'package-lock.json'), lockedAtS, lockedAtS);
  writeFileSync(join(dir, 'npm'), '#!/bin/sh\necho "$@" > called\n');
  chmodSync(join(dir, 'npm'), 0o755);
  return dir;
}

function installedAt(dir: string, second: number): void {
  mkdirSync(join(dir, 'node_modules'));
  const file = join(dir, 'node_modules/.package-lock.json');
  writeFileSync(file, '{}');
  utimesSync(file, second, second);
}

/** @returns how npm was called, or undefined when it was not */
function run(dir: string): string | undefined {
  const PATH = `${dir}:${process.env['PATH']}`;
  execFileSync(process.execPath, [INSTALL], { cwd: dir, env: { PATH } });
  return existsSync(join(dir, 'called')) ? readFileSync(join(dir, 'called'), 'utf8') : undefined;
}

test('a fresh clone is installed', () => {
  expect(run(project(1_000))).toMatch(/^install /);
});

test('an installation older than the lock file is made anew', () => {
  const dir = project(2_000);
  installedAt(dir, 1_000);
  expect(run(dir)).toMatch(/^install /);
});

test('an installation that is up to date is left alone: npm would cost seconds', () => {
  const dir = project(1_000);
  installedAt(dir, 2_000);
  expect(run(dir)).toBeUndefined();
});
