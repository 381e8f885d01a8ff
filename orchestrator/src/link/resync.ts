import type { Resync as ResyncFrame, Sql } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { isStorageFault, STORAGE_RETRY_MS } from '../store/index.ts';
import type { Unrecoverable } from './losses.ts';
import type { LogFaults } from './stream.ts';

export interface ResyncOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends open commands that the edge knows as ended, in the transaction. @returns how many there were */
  readonly finish: (commandIds: readonly string[]) => number;
  /** Writes down what is lost for good, in the transaction. */
  readonly lose: (ranges: Unrecoverable) => void;
  /** The edge has said all: in the transaction that writes down the last of it. */
  readonly complete: () => void;
  /** Behind that transaction. */
  readonly onComplete: () => void;
}

/**
 * What the edge tells when the two do not know the same (PROTOCOL L11). Each frame is written down on its own; only
 * the last one completes it, so that one that is cut off is told again in the next session.
 */
export class Resync {
  readonly #options: ResyncOptions;
  #waiting: ResyncFrame[] = [];
  /** Says that all is written down. */
  #echo: (() => void) | undefined;
  #session: LogFaults | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  /** @param session is told of what no later try mends */
  take(frame: ResyncFrame, session: LogFaults): void {
    this.#waiting.push(frame);
    this.#session = session;
    if (this.#cancelRetry === undefined) this.#handle();
  }

  /**
   * A probe has come. The one that follows the frames is answered when they are written down; any other asks
   * whether this process lives, also while the disk is full.
   */
  probed(echo: () => void): void {
    if (this.#waiting.length === 0 || this.#echo !== undefined) echo();
    else this.#echo = echo;
  }

  /** The session has ended: the next one tells it from the beginning. */
  end(session: LogFaults): void {
    if (session !== this.#session) return;
    this.#waiting = [];
    this.#echo = undefined;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  #handle(): void {
    try {
      for (let frame = this.#waiting[0]; frame !== undefined; frame = this.#waiting[0]) {
        this.#write(frame);
        this.#waiting.shift();
      }
      this.#echo?.();
      this.#echo = undefined;
    } catch (error) {
      if (!isStorageFault(error)) {
        this.#session?.failed(error);
        return;
      }
      this.#cancelRetry = this.#options.clock.after(STORAGE_RETRY_MS, () => {
        this.#cancelRetry = undefined;
        this.#handle();
      });
    }
  }

  #write({ reason, finished, unrecoverable, last }: ResyncFrame): void {
    const { sql, log, finish, lose, complete, onComplete } = this.#options;
    const ended = sql.transaction(() => {
      if (last) complete();
      lose(unrecoverable);
      return finish(finished);
    });
    log.warn('the edge and this orchestrator did not know the same', { reason, ended, last });
    if (last) onComplete();
  }
}
