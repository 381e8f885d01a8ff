import type { CommandTaken } from '@clawdbot/protocol';
import { type Desk, show } from './desk.ts';
import { asJson } from './io.ts';
import { outcomeOf } from './progress.ts';

/** Waits for a command's end, or with `detach` only says what was taken: it is done when it can be. */
export async function follow(desk: Desk, taken: CommandTaken, detach: boolean): Promise<void> {
  for (const warning of taken.warnings ?? []) desk.io.err(`warning: ${warning}`);
  const line = lineOf(taken);
  const runs = taken.unchanged === true && taken.state === 'succeeded';
  if (detach || runs) return show(desk, taken, () => line);
  desk.io.err(line);
  const ended = await outcomeOf(taken.commandId, desk.edge, desk.io);
  show(desk, ended, () => asJson(ended.result));
}

function lineOf({ commandId, state, generation, unchanged }: CommandTaken): string {
  const command = `${commandId} ${state}`;
  if (unchanged === true) {
    const standing = state === 'succeeded' ? 'runs' : `is on its way (${command})`;
    return `nothing changed: generation ${generation} ${standing}`;
  }
  return generation === undefined ? command : `${command}, generation ${generation}`;
}
