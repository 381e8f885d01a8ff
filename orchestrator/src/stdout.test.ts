import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const LOG = fileURLToPath(new URL('./log.ts', import.meta.url));
/** Every write fails as on a full disk: full(4), on Linux alone. */
const FULL = '/dev/full';

it.runIf(existsSync(FULL))('a log on a full disk loses lines, never the process', () => {
  const script = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
    const log = createLogger({ level: 'info', production: true });
    log.info('one');
    setImmediate(() => { log.info('two'); setImmediate(() => process.stderr.write('alive')); });`;
  const stdout = openSync(FULL, 'w');
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', stdout, 'pipe'],
  });
  closeSync(stdout);
  expect([status, String(stderr)]).toEqual([0, 'alive']);
});
