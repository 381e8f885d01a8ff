import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';
import type { Cleanup } from '../cleanup.ts';

const CLAWCTL = join(import.meta.dirname, '../../../orchestrator/bin/clawctl.mjs');
/** A sign of life every so many sites. */
const TOLD_EVERY = 25;

/** What `clawctl --json fleet` prints. */
const summary = z.object({
  sites: z.int(),
  deployed: z.int(),
  observed: z.int(),
  failed: z.int(),
  notBegun: z.int(),
  outcomes: z.array(z.object({ siteId: z.string(), state: z.string(), why: z.string().optional() })),
});
export type Summary = z.infer<typeof summary>;

/** Runs `clawctl fleet` with these arguments, as an operator does. Throws when it has no summary to give. */
export async function fleet(file: SandboxFile, args: readonly string[], cleanup: Cleanup): Promise<Summary> {
  const child = spawn(process.execPath, [CLAWCTL, '--json', 'fleet', ...args], {
    env: {
      ...process.env,
      CLAWCTL_URL: file.edgeUrl,
      CLAWCTL_TOKEN: file.adminToken,
      CLAWCTL_RELAY_URL: file.relayUrl,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanup.add(() => child.kill());
  let [lines, last] = [0, ''];
  createInterface(child.stderr).on('line', (line) => {
    last = line;
    if (++lines % TOLD_EVERY === 0) console.log(`  ${lines} …`);
  });
  const [out] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (out === '') throw new Error(`clawctl fleet: ${last}`);
  return summary.parse(JSON.parse(out));
}
