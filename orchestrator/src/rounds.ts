import { schedule } from 'node-cron';
import type { Logger } from './log.ts';
import { LeaseLost } from './store/index.ts';

/** Not all orchestrators look at once, and none while its next round is due. */
const JITTER_SHARE = 0.2;

/** Something that is looked at again and again. */
export interface Round {
  readonly name: string;
  /** Ends soon once the signal is aborted. @returns whether events were recorded. Throws `LeaseLost` */
  look(signal: AbortSignal): Promise<boolean>;
}

export interface RoundsOptions {
  /** Between two rounds: 1 to 59. */
  readonly minutes: number;
  readonly log: Logger;
  /** Events were recorded. */
  readonly onTold: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** One round, in which nothing is thrown: what failed is looked at again in the next one. */
export async function runRound(
  { name, look }: Round,
  signal: AbortSignal,
  { log, onTold, onLeaseLost }: Omit<RoundsOptions, 'minutes'>,
): Promise<void> {
  try {
    if (await look(signal)) onTold();
  } catch (error) {
    if (error instanceof LeaseLost) onLeaseLost(error);
    else if (!signal.aborted)
      log.error('a round of looks failed: the next one looks again', { round: name, error });
  }
}

/** Runs each every so many minutes, never two of its kind at once. @returns what ends them, and waits for their end */
export function scheduleRounds(rounds: readonly Round[], options: RoundsOptions): () => Promise<void> {
  const { minutes } = options;
  const maxRandomDelay = minutes * 60_000 * JITTER_SHARE;
  const stopped = new AbortController();
  const running = new Set<Promise<void>>();
  const tasks = rounds.map((round) => {
    const run = async () => {
      const over = runRound(round, stopped.signal, options);
      running.add(over);
      await over;
      running.delete(over);
    };
    return schedule(`*/${minutes} * * * *`, run, { noOverlap: true, maxRandomDelay });
  });
  return async () => {
    stopped.abort();
    await Promise.all(tasks.map((task) => task.destroy()));
    await Promise.all(running);
  };
}
