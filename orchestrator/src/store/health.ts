import type { Sql } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { STORAGE_RETRY_MS } from './fault.ts';
import { LeaseLost } from './lease.ts';

/** Whether the database takes writes. `since` is in milliseconds since the epoch. */
export type StorageState =
  | { readonly state: 'ok'; readonly since: number }
  /** `detail` says what to do. Both end by themselves when the disk is as it should be. */
  | { readonly state: 'full' | 'failing'; readonly since: number; readonly detail: string };

export interface StorageHealthOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
  /** Bytes that this user may still write to the disk of a folder. */
  readonly freeBytes: (folder: string) => number;
}

/** With less than this free a disk counts as full: a small write may pass where the next batch of entries fails. */
const ROOM_BYTES = 4 * 1024 * 1024;

/**
 * Knows whether the database takes writes. The storage port tells it of each failure; from then on it tries a
 * write of its own until one succeeds.
 */
export class StorageHealth {
  readonly #options: StorageHealthOptions;
  #value: StorageState;
  #sql: Sql | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: StorageHealthOptions) {
    this.#options = options;
    this.#value = { state: 'ok', since: options.clock.now() };
  }

  get value(): StorageState {
    return this.#value;
  }

  /** Where its own writes go. */
  watch(sql: Sql): void {
    this.#sql = sql;
  }

  /** SQLite could not read or write. */
  failed(error: Error): void {
    const { clock, log, dataDir } = this.#options;
    const state = this.#isFull(error) ? 'full' : 'failing';
    this.#cancel ??= clock.after(STORAGE_RETRY_MS, () => this.#try());
    if (this.#value.state === state) return;
    const detail =
      state === 'full'
        ? `the disk of ${dataDir} is full: make room; nothing is lost, and all goes on by itself then`
        : `${dataDir} cannot be written (${error.message}): look at its disk; it is tried again`;
    this.#value = { state, since: clock.now(), detail };
    log.error('the database cannot be written', { state, detail });
  }

  stop(): void {
    this.#cancel?.();
    this.#sql = undefined;
  }

  /** A file of SQLite's own that cannot grow is an I/O error there. */
  #isFull(error: Error): boolean {
    return ('code' in error && error.code === 'SQLITE_FULL') || !this.#hasRoom();
  }

  #hasRoom(): boolean {
    return this.#options.freeBytes(this.#options.dataDir) >= ROOM_BYTES;
  }

  #try(): void {
    const { clock, log } = this.#options;
    this.#cancel = undefined;
    if (this.#sql === undefined) return;
    try {
      // The time makes it a change; a row written as it was would not reach the disk.
      this.#sql.run(`INSERT OR REPLACE INTO meta VALUES ('storage_tried', ?)`, String(clock.now()));
    } catch (error) {
      // Another fault than the store's is none that a later try mends; the lease's loss is found by whoever acts.
      if (!(error instanceof LeaseLost)) this.#cancel ??= clock.after(STORAGE_RETRY_MS, () => this.#try());
      return;
    }
    if (this.#value.state === 'full' && !this.#hasRoom()) {
      this.#cancel = clock.after(STORAGE_RETRY_MS, () => this.#try());
      return;
    }
    log.info('the database can be written again', { after: this.#value.state });
    this.#value = { state: 'ok', since: clock.now() };
  }
}
