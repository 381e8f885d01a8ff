import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { temporaryDir } from '../fixture.ts';
import { placeDashboard } from './dashboard.ts';

/** What a phone on a slow line waits for before it sees anything. */
const FIRST_LOAD_BYTES_MAX = 200_000;

test('the first load is under 200 KB, as a browser gets it', async () => {
  const dir = temporaryDir();
  await placeDashboard(dir);
  const files = globSync('**', { cwd: dir }).filter((path) => statSync(join(dir, path)).isFile());
  const bytes = files.map((path) => gzipSync(readFileSync(join(dir, path))).length);
  expect(files).toContain('index.html');
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES_MAX);
});

test('no file of an earlier build is left', async () => {
  const dir = temporaryDir();
  await placeDashboard(dir);
  const scripts = globSync('assets/*.js', { cwd: dir });
  await placeDashboard(dir);
  expect(globSync('assets/*.js', { cwd: dir })).toEqual(scripts);
});
