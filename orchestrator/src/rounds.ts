import { schedule } from 'node-cron';
import type { Logger } from './log.ts';
import { LeaseLost } from './store/index.ts';

/** A window of Cloudflare's API budget each … */
const EVERY_FIVE_MINUTES = '*/5 * * * *';
/** … and not all orchestrators at once. */
const JITTER_MS = 60_000;

/** Something that is looked at again and again. */
export interface Round {
  readonly name: string;
  /** Ends soon once the signal is aborted. @returns whether events were recorded. Throws `LeaseLost` */
  look(signal: AbortSignal): Promise<boolean>;
}

export interface RoundsOptions {
  readonly log: Logger;
  /** Events were recorded. */
  readonly onTold: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** One round, in which nothing is thrown: what failed is looked at again in the next one. */
export async function runRound(
  { name, look }: Round,
  signal: AbortSignal,
  { log, onTold, onLeaseLost }: RoundsOptions,
): Promise<void> {
  try {
    if (await look(signal)) onTold();
  } catch (error) {
    if (error instanceof LeaseLost) onLeaseLost(error);
    else if (!signal.aborted)
      log.error('a round of looks failed: the next one looks again', { round: name, error });
  }
}

/** Runs each every five minutes, never two of its kind at once. @returns what ends them, and waits for their end */
export function scheduleRounds(rounds: readonly Round[], options: RoundsOptions): () => Promise<void> {
  const stopped = new AbortController();
  const running = new Set<Promise<void>>();
  const tasks = rounds.map((round) => {
    const run = async () => {
      const over = runRound(round, stopped.signal, options);
      running.add(over);
      await over;
      running.delete(over);
    };
    return schedule(EVERY_FIVE_MINUTES, run, { noOverlap: true, maxRandomDelay: JITTER_MS });
  });
  return async () => {
    stopped.abort();
    await Promise.all(tasks.map((task) => task.destroy()));
    await Promise.all(running);
  };
}
