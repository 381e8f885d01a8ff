import {
  BATCH_ENTRIES_MAX,
  type CommandResult,
  type Entry,
  type EntryToEdge,
  edgeCodec,
  Failure,
  type Inbox,
  type InboxItem,
  type LogName,
  type Received,
  type Sql,
} from '@clawdbot/protocol';
import type { Blobs } from './blobs.ts';
import type { Commands } from './commands.ts';
import type { ConfigReports } from './config-reports.ts';
import type { Deployments } from './deployments.ts';
import type { Events, NewEvent } from './events.ts';
import { LOGS_IN_ORDER, type Logs } from './logs.ts';
import type { Receipts } from './receipts.ts';
import type { RemoteLetters } from './remote-letters.ts';
import type { Waiting } from './waiting.ts';
import type { WorkerVars } from './worker-vars.ts';

export interface HandlingParts {
  readonly sql: Sql;
  readonly logs: Logs;
  readonly commands: Commands;
  readonly events: Pick<Events, 'insertAll'>;
  readonly deployments: Pick<Deployments, 'told'>;
  readonly letters: Pick<RemoteLetters, 'report'>;
  readonly blobs: Pick<Blobs, 'release'>;
  readonly receipts: Pick<Receipts, 'report'>;
  readonly reports: Pick<ConfigReports, 'ended'>;
  readonly workerVars: Pick<WorkerVars, 'begun' | 'ended'>;
  readonly waiting: Pick<Waiting, 'later'>;
  readonly now: () => number;
}

/**
 * Takes the orchestrator's entries and handles them, each in a transaction with what it changes. One that cannot
 * be handled is tried again or becomes a dead letter, and holds nothing up (PROTOCOL L6).
 */
export class Handling {
  readonly #parts: HandlingParts;
  #changed = false;

  constructor(parts: HandlingParts) {
    this.#parts = parts;
  }

  /** Commits entries, and handles them in that same transaction when all goes well: that is by far the fastest. */
  receive(log: LogName, entries: readonly Entry[]): Received {
    const received = this.#parts.logs[log].inbox.receive(entries, (fresh) => this.#take(fresh));
    if (received.ok && received.fresh > 0) this.#drain(log);
    return received;
  }

  /** Handles what waits and is due. */
  run(): void {
    for (const log of LOGS_IN_ORDER) this.#drain(log);
  }

  /** Has an entry failed since this was last asked? Then `nextRetry` has changed. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** When an entry that failed is tried again; undefined when none waits for that. */
  nextRetry(): number | undefined {
    const times = LOGS_IN_ORDER.map((log) => this.#parts.logs[log].inbox.nextRetry());
    return times.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a));
  }

  #drain(log: LogName): void {
    const { logs, now } = this.#parts;
    const { inbox } = logs[log];
    const due = () => inbox.pending(BATCH_ENTRIES_MAX, now());
    for (let items = due(); items.length > 0; items = due()) {
      for (const item of this.#together(inbox, items)) this.#alone(inbox, item);
    }
  }

  /** @returns those that have to be looked at one by one */
  #together(inbox: Inbox, items: readonly InboxItem[]): readonly InboxItem[] {
    if (items.length === 1) return items;
    try {
      return this.#parts.sql.transaction(() => {
        const left = new Set(this.#take(items));
        for (const item of items) if (!left.has(item)) inbox.done(item);
        return [...left];
      });
    } catch {
      // The same entry fails again by itself, with its own reason.
      return items;
    }
  }

  /** Handles entries in the caller's transaction, events in one statement. @returns those that cannot be read */
  #take(items: readonly InboxItem[]): InboxItem[] {
    const unreadable: InboxItem[] = [];
    const events: NewEvent[] = [];
    for (const item of items) {
      const read = edgeCodec.decodeEntry(item.body);
      if ('error' in read) unreadable.push(item);
      else if (read.body.type === 'sync_event') events.push(eventOf(item, read.body));
      else this.#apply(item, read.body);
    }
    if (events.length > 0) this.#happened(events);
    return unreadable;
  }

  #happened(news: readonly NewEvent[]): void {
    const { events, deployments } = this.#parts;
    events.insertAll(news);
    for (const { event } of news) if (event.type === 'worker_deployment') deployments.told(event);
  }

  #alone(inbox: Inbox, item: InboxItem): void {
    const { sql, now } = this.#parts;
    const read = edgeCodec.decodeEntry(item.body);
    if ('error' in read) {
      inbox.dead(item, read.error, now());
      return;
    }
    try {
      sql.transaction(() => {
        this.#apply(item, read.body);
        inbox.done(item);
      });
    } catch (error) {
      this.#failed(inbox, item, error);
    }
  }

  #failed(inbox: Inbox, item: InboxItem, error: unknown): void {
    const { now } = this.#parts;
    if (error instanceof Failure && !error.retryable) {
      inbox.dead(item, error.message, now());
      return;
    }
    this.#changed = true;
    console.error('an entry could not be handled', item.seq, error);
    inbox.failed(item, `the edge failed to handle it: ${String(error)}`, now());
  }

  #ended(result: CommandResult): void {
    const { commands, blobs, reports, workerVars } = this.#parts;
    const command = commands.end(result);
    if (command === undefined) return;
    blobs.release(result.commandId);
    if (command.type === 'update_config') reports.ended(command, result);
    else workerVars.ended(result);
  }

  #apply(item: InboxItem, body: EntryToEdge): void {
    const { commands, letters, receipts, waiting, workerVars } = this.#parts;
    switch (body.type) {
      case 'command_progress':
        if (body.milestone === 'running') {
          commands.begun(body.commandId, body.at);
          workerVars.begun(body.commandId);
        } else commands.milestone(body.commandId, body.milestone, body.at, body.detail);
        return;
      case 'command_result':
        this.#ended(body);
        return;
      case 'sync_event':
        this.#happened([eventOf(item, body)]);
        return;
      case 'dead_letter':
        letters.report(body);
        return;
      case 'receipt':
        receipts.report(body);
        // An answer that could be handed on has come before this.
        waiting.later(body.receiptId);
        return;
      default:
        body satisfies never;
    }
  }
}

const eventOf = (
  { logId, seq }: InboxItem,
  { id, event }: Extract<EntryToEdge, { type: 'sync_event' }>,
): NewEvent => ({ id, event, logId, seq });
