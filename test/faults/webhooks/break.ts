import { setTimeout as delay } from 'node:timers/promises';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Flood } from './flood.ts';

/** What is done to the system, and when: a share of the flood that has been taken by then. */
export type Trouble = { readonly at: number } & (
  | { readonly kill: 'orchestrator' | 'edge' }
  | { readonly stop: 'upstream' }
  | { readonly start: 'upstream' }
);

const LOOK_MS = 20;

/** Does each when its time has come. A part that is killed is revived by the sandbox, as by any supervisor. */
export async function breakDuring(
  sandbox: Sandbox,
  troubles: readonly Trouble[],
  flood: Flood,
): Promise<void> {
  for (const trouble of troubles.toSorted((a, b) => a.at - b.at)) {
    while (flood.share < trouble.at) await delay(LOOK_MS);
    if ('kill' in trouble) killPart(sandbox, trouble.kill);
    else if ('stop' in trouble) await sandbox.stopPart(trouble.stop);
    else await sandbox.startPart(trouble.start);
  }
}

/** One that is being revived just now is dead already. */
function killPart({ file }: Sandbox, part: 'orchestrator' | 'edge'): void {
  const pid = file.pids[part];
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}
