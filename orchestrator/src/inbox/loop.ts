import {
  type EntryToOrchestrator,
  Failure,
  type Inbox,
  type InboxItem,
  orchestratorCodec,
  type Sql,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { LeaseLost } from '../store/index.ts';

/** Handled in one turn, so that a long backlog does not keep customers' requests waiting. */
const SLICE = 50;
/** After the store has failed. */
const RETRY_MS = 5_000;

export interface InboxLoopOptions {
  readonly sql: Sql;
  readonly inbox: Inbox;
  /** Writes down what an entry asks for, in the transaction that takes it out of the inbox. */
  readonly dispatch: (entry: EntryToOrchestrator, item: InboxItem) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Entries were dispatched: their rooms may act. */
  readonly onDispatched: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/**
 * Takes committed entries out of the inbox, in order. One that cannot be read or is refused becomes a dead
 * letter, and nothing behind it waits; while the store itself fails everything waits, and is tried again.
 */
export class InboxLoop {
  readonly #options: InboxLoopOptions;
  #scheduled = false;
  #stopped = false;
  #cancelRetry: () => void = () => {};

  constructor(options: InboxLoopOptions) {
    this.#options = options;
  }

  /** There may be entries. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#options.clock.defer(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#slice();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
  }

  #slice(): void {
    const { inbox, clock, log, onDispatched, onLeaseLost } = this.#options;
    this.#cancelRetry();
    try {
      const items = inbox.pending(SLICE);
      for (const item of items) this.#handle(item);
      if (items.length > 0) onDispatched();
      if (items.length === SLICE) this.wake();
    } catch (error) {
      if (error instanceof LeaseLost) {
        onLeaseLost(error);
        return;
      }
      log.error('the inbox cannot be handled: it is tried again', { error });
      this.#cancelRetry = clock.after(RETRY_MS, () => this.wake());
    }
  }

  #handle(item: InboxItem): void {
    const { sql, inbox, dispatch } = this.#options;
    const decoded = orchestratorCodec.decodeEntry(item.body);
    if ('error' in decoded) {
      this.#bury(item, decoded.error);
      return;
    }
    try {
      sql.transaction(() => {
        dispatch(decoded.body, item);
        inbox.done(item);
      });
    } catch (error) {
      // A full log is no fault of this entry's.
      if (!(error instanceof Failure) || error.code === 'log_full') throw error;
      this.#bury(item, error.message);
    }
  }

  #bury(item: InboxItem, why: string): void {
    this.#options.inbox.dead(item, why);
    this.#options.log.error('an entry is a dead letter', { seq: item.seq, logId: item.logId, why });
  }
}
