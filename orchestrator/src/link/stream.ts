import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  BATCHES_IN_FLIGHT_MAX,
  type Entry,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Inbox,
  type LogName,
  type Outbox,
  ProtocolError,
  type Sql,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import { isStorageFault, STORAGE_RETRY_MS } from '../store/index.ts';

/** What a log is made of. */
export interface LogParts {
  readonly name: LogName;
  readonly sql: Sql;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly clock: Clock;
  /** Entries were committed to the inbox. */
  readonly onCommitted: () => void;
  /** The edge has acknowledged all there is. Called while its frame is handled: act a turn later. */
  readonly onEmptied: () => void;
}

/** What a session does when its log cannot go on. */
export interface LogFaults {
  /** The edge skipped entries. */
  gap(message: string): void;
  /** Anything but a store that fails for now, which is waited for. */
  failed(error: unknown): void;
}

export interface StreamOptions {
  readonly sender: FrameSender<FrameToEdge>;
  readonly faults: LogFaults;
  /** Writes down where the two logs stand. */
  readonly begin: () => void;
  readonly isNewest: (stream: LogStream) => boolean;
}

type Ack = Extract<FrameToOrchestrator, { type: 'ack' }>;

/** What the edge may have in flight (L8). */
const WAITING_ENTRIES_MAX = BATCHES_IN_FLIGHT_MAX * BATCH_ENTRIES_MAX;
const WAITING_CHARS_MAX = BATCHES_IN_FLIGHT_MAX * BATCH_BYTES_MAX;

/**
 * One session's view of a log. While the store fails, what has come waits here and is not acknowledged, and the
 * session goes on: customers' requests need no disk.
 */
export class LogStream {
  readonly #log: LogParts;
  readonly #options: StreamOptions;
  #begun = false;
  #received: Entry[] = [];
  #receivedChars = 0;
  /** The newest acknowledgement that is not written down. */
  #ack: Ack | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(log: LogParts, options: StreamOptions) {
    this.#log = log;
    this.#options = options;
  }

  /** Entries of one turn are committed together, and acknowledged once: a commit costs an fsync. */
  take(entry: Entry): void {
    this.#received.push(entry);
    this.#receivedChars += entry.body.length;
    if (this.#received.length > WAITING_ENTRIES_MAX || this.#receivedChars > WAITING_CHARS_MAX) {
      throw new ProtocolError('overloaded', `more of the ${this.#log.name} log than may be in flight`);
    }
    if (this.#received.length === 1) this.#log.clock.defer(() => this.#attempt(() => this.#commit()));
  }

  /** The edge has committed everything up to `applied`. */
  acknowledged(ack: Ack): void {
    this.#ack = ack;
    this.#attempt(() => this.#acknowledge());
  }

  /** Sends what the outbox has, as far as enough is not already in flight. */
  pump(): void {
    this.#attempt(() => this.#send());
  }

  /** The session has ended. */
  close(): void {
    this.#cancelRetry?.();
    this.#received = [];
  }

  /** While the store fails there is nothing to try before its time. */
  #attempt(work: () => void): void {
    if (this.#cancelRetry !== undefined || !this.#options.isNewest(this)) return;
    try {
      if (!this.#begun) this.#options.begin();
      this.#begun = true;
      work();
    } catch (error) {
      if (isStorageFault(error)) {
        this.#cancelRetry = this.#log.clock.after(STORAGE_RETRY_MS, () => this.#retry());
      } else this.#options.faults.failed(error);
    }
  }

  #retry(): void {
    this.#cancelRetry = undefined;
    this.#attempt(() => {
      this.#commit();
      this.#acknowledge();
      this.#send();
    });
  }

  #commit(): void {
    const { name, inbox, onCommitted } = this.#log;
    if (this.#received.length === 0) return;
    const received = inbox.receive(this.#received);
    this.#received = [];
    this.#receivedChars = 0;
    if (!received.ok) {
      this.#options.faults.gap(`entry ${received.got} came behind ${received.applied}`);
      return;
    }
    this.#options.sender.push({ type: 'ack', log: name, applied: received.applied });
    if (received.fresh > 0) onCommitted();
  }

  #acknowledge(): void {
    if (this.#ack === undefined) return;
    const { outbox, onEmptied } = this.#log;
    const { applied, projected } = this.#ack;
    // Neither needs the other, and each is said again: no transaction, which would cost one for each message.
    outbox.project(projected ?? 0);
    const fresh = outbox.acknowledge(applied) <= applied;
    this.#ack = undefined;
    this.#send();
    if (fresh && outbox.depth === 0) onEmptied();
  }

  #send(): void {
    const { sql, outbox } = this.#log;
    if (!outbox.hasBatch) return;
    // In a transaction, since that asks whose the database is: a superseded process would send what its successor has
    // written since, and the edge would refuse the successor's `hello`, which says less, as an old copy's.
    sql.transaction(() => {
      for (let batch = outbox.nextBatch(); batch.length > 0; batch = outbox.nextBatch()) {
        for (const entry of batch) this.#options.sender.push(entry);
      }
    });
  }
}
