import { judgeCommands } from './commands.ts';
import { judgeConfigs } from './configs.ts';
import { judgeEvents } from './events.ts';
import type { Evidence } from './evidence.ts';
import { judgeLetters } from './letters.ts';
import { judgeLogs } from './logs.ts';
import { judgeRows } from './rows.ts';

export { isEnded } from './commands.ts';
export type { Evidence } from './evidence.ts';
export { isQuiet } from './quiet.ts';

/** Compares what was given with what was applied, on both sides and outside. @returns every rule that was broken */
export function judge(evidence: Evidence): string[] {
  return [
    ...evidence.world.failures.map(
      (error) => `nobody caught ${error instanceof Error ? error.stack : error}`,
    ),
    ...judgeCommands(evidence),
    ...judgeConfigs(evidence),
    ...judgeLogs(evidence),
    ...judgeEvents(evidence),
    ...judgeRows(evidence),
    ...judgeLetters(evidence),
  ];
}
