import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * The HTTP cache test suite (https://cache-tests.fyi), which nobody here wrote: an origin that answers as each case
 * says, and a client that judges what it is given. As a dependency it would bring npm 6 along and put it before
 * everybody's own, so it is taken from the registry when it is asked for, and checked.
 */
const PACKAGE = 'http-cache-tests';
const VERSION = '0.4.5';
/** Of the package's file, as the registry lists it. */
const SHA512 = 'DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==';

/** Fetches the suite into `dir`, unless it is there. @returns the folder with its modules */
export function fetchSuite(dir: string): string {
  const folder = join(dir, `${PACKAGE}-${VERSION}`);
  if (existsSync(folder)) return folder;
  mkdirSync(dir, { recursive: true });
  execFileSync('npm', ['pack', `${PACKAGE}@${VERSION}`, '--silent', '--pack-destination', dir], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const file = join(dir, `${PACKAGE}-${VERSION}.tgz`);
  const digest = createHash('sha512').update(readFileSync(file)).digest('base64');
  if (digest !== SHA512) throw new Error(`${file} is not the suite that was asked for`);
  execFileSync('tar', ['-xzf', file, '-C', dir]);
  renameSync(join(dir, 'package'), folder);
  return folder;
}

/** The suite's origin as a process, which says on its standard output when it listens. */
export async function startOrigin(suite: string, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(suite, 'server/server.mjs')], {
    env: {
      ...process.env,
      npm_config_protocol: 'http',
      npm_config_port: String(port),
      npm_config_pidfile: join(suite, 'server.pid'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of child.stdout) if (String(line).includes('Listening')) break;
  // It prints more, which nobody reads.
  child.stdout.resume();
  return child;
}

const outcomes = z.record(z.string(), z.string());
/** What became of each case, by its id: `passed`, or the sentence that says why not. */
export type Outcomes = z.infer<typeof outcomes>;

/** Runs all cases against `base`, in a process of its own, since the suite keeps its results in its modules. */
export function runCases(suite: string, base: string): Outcomes {
  const args = [join(import.meta.dirname, 'cases.mjs'), suite, base];
  return outcomes.parse(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
}
