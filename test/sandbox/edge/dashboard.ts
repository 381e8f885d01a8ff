import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../parts.ts';

const SOURCE = join(ROOT, 'edge-worker/dashboard');
const VITE = join(ROOT, 'node_modules/vite/bin/vite.js');
const BUILD_TIMEOUT_MS = 60_000;
/** What the page is made of, below the root. */
const MADE_OF = [
  'edge-worker/dashboard/{*,{src,public}/**}',
  'protocol/src/**',
  'protocol/package.json',
  'package-lock.json',
];
const CACHE = join(ROOT, 'node_modules/.cache/dashboard');

/** Puts the dashboard's files into `into`; builds them only when their sources have changed since the last time. */
export async function placeDashboard(into: string): Promise<void> {
  const built = join(CACHE, sourceDigest());
  if (!existsSync(built)) await buildInto(built);
  rmSync(into, { recursive: true, force: true });
  cpSync(built, into, { recursive: true });
}

function sourceDigest(): string {
  const hash = createHash('sha256');
  const files = globSync(MADE_OF, { cwd: ROOT }).filter((path) => !/\.test\.tsx?$/.test(path));
  for (const path of files.sort()) {
    if (statSync(join(ROOT, path)).isFile()) hash.update(path).update(readFileSync(join(ROOT, path)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** By a rename, because several sandboxes may build at the same time: a folder that is there is whole. */
async function buildInto(built: string): Promise<void> {
  const own = `${built}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  // A process of its own, since NODE_ENV decides which React it is, and Vitest has set this one's to "test".
  await promisify(execFile)(
    process.execPath,
    [VITE, 'build', SOURCE, '--outDir', own, '--logLevel', 'warn'],
    {
      env: { ...process.env, NODE_ENV: 'production' },
      timeout: BUILD_TIMEOUT_MS,
    },
  );
  try {
    renameSync(own, built);
  } catch (error) {
    if (!existsSync(built)) throw error; // Another sandbox was first, with the same files.
    rmSync(own, { recursive: true });
  }
}
