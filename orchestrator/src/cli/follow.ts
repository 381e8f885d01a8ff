import type { CommandTaken } from '@clawdbot/protocol';
import { type Desk, show } from './desk.ts';
import { asJson } from './io.ts';
import { outcomeOf } from './progress.ts';

/** Waits for a command's end, or with `detach` only says what was taken: it is done when it can be. */
export async function follow(desk: Desk, taken: CommandTaken, detach: boolean): Promise<void> {
  const generation = taken.generation === undefined ? '' : `, generation ${taken.generation}`;
  for (const warning of taken.warnings ?? []) desk.io.err(`warning: ${warning}`);
  const line = `${taken.commandId} ${taken.state}${generation}`;
  if (detach) return show(desk, taken, () => line);
  desk.io.err(line);
  const ended = await outcomeOf(taken.commandId, desk.edge, desk.io);
  show(desk, ended, () => asJson(ended.result));
}
