import {
  type EntryToOrchestrator,
  Failure,
  type Inbox,
  type InboxItem,
  type LogName,
  orchestratorCodec,
  type Sql,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost, STORAGE_RETRY_MS } from '../store/index.ts';
import type { DeadLetters } from './letters.ts';

/** Handled in one turn, so that a long backlog does not keep customers' requests waiting. */
const SLICE = 50;
const LOGS: readonly LogName[] = ['control', 'queue'];

export interface InboxLoopOptions {
  readonly sql: Sql;
  readonly inboxes: Readonly<Record<LogName, Inbox>>;
  readonly letters: DeadLetters;
  /**
   * Writes down what an entry asks for, in the transaction that takes it out of the inbox. If that fails the same
   * entry comes again.
   */
  readonly dispatch: (entry: EntryToOrchestrator, item: InboxItem) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Entries were dispatched: their rooms may act. */
  readonly onDispatched: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/**
 * Takes committed entries out of the inboxes, in order. One that cannot be handled is tried again later or
 * becomes a dead letter, and nothing behind it waits; while the store itself fails everything waits.
 */
export class InboxLoop {
  readonly #options: InboxLoopOptions;
  #scheduled = false;
  #stopped = false;
  #cancelTimer: () => void = () => {};

  constructor(options: InboxLoopOptions) {
    this.#options = options;
  }

  /** There may be entries. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#options.clock.defer(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#round();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }

  #round(): void {
    const { onLeaseLost, log } = this.#options;
    this.#cancelTimer();
    try {
      for (const name of LOGS) this.#slice(name);
      this.#retryLater();
    } catch (error) {
      if (error instanceof LeaseLost) {
        onLeaseLost(error);
        return;
      }
      if (!mustWait(error)) log.error('the inbox cannot be handled: it is tried again', { error });
      this.#wakeIn(STORAGE_RETRY_MS);
    }
  }

  #slice(name: LogName): void {
    const { inboxes, clock, onDispatched } = this.#options;
    const items = inboxes[name].pending(SLICE, clock.now());
    if (items.length === 0) return;
    if (items.length === 1 || !this.#together(name, items)) {
      for (const item of items) this.#alone(name, item);
    }
    onDispatched();
    if (items.length === SLICE) this.wake();
  }

  /** One transaction for all: each costs an fsync. @returns false when one of them cannot be handled */
  #together(name: LogName, items: readonly InboxItem[]): boolean {
    try {
      this.#options.sql.transaction(() => {
        for (const item of items) this.#handle(name, item);
      });
      return true;
    } catch (error) {
      if (mustWait(error)) throw error;
      return false;
    }
  }

  #alone(name: LogName, item: InboxItem): void {
    const { sql, letters } = this.#options;
    try {
      sql.transaction(() => this.#handle(name, item));
    } catch (error) {
      if (mustWait(error)) throw error;
      letters.failed(name, item, error);
    }
  }

  #handle(name: LogName, item: InboxItem): void {
    const { inboxes, letters, dispatch } = this.#options;
    const decoded = orchestratorCodec.decodeEntry(item.body);
    if ('error' in decoded) {
      letters.bury(name, item, decoded.error);
      return;
    }
    dispatch(decoded.body, item);
    inboxes[name].done(item);
    letters.handled(name, item);
  }

  #retryLater(): void {
    const { inboxes, clock } = this.#options;
    const due = LOGS.map((name) => inboxes[name].nextRetry()).filter((at) => at !== undefined);
    if (due.length > 0) this.#wakeIn(Math.max(0, Math.min(...due) - clock.now()));
  }

  #wakeIn(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => this.wake());
  }
}

/** Not the entry's fault: the store fails, is another process's, or has no room for an answer. */
const mustWait = (error: unknown): boolean =>
  error instanceof LeaseLost ||
  isStorageFault(error) ||
  (error instanceof Failure && error.code === 'log_full');
