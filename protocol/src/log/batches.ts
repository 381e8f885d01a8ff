import type { Entry, LogName } from '../frames/index.ts';
import { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BATCHES_IN_FLIGHT_MAX } from '../limits.ts';
import { int, type Sql, text } from './sql.ts';

/** Where the next batch ends, and whether nothing more would fit. */
interface Cut {
  readonly end: number;
  readonly full: boolean;
}

/** What of a log is on this session's wire. */
export class Batches {
  readonly #sql: Sql;
  readonly #log: LogName;
  readonly #gather: boolean;
  /** The last entry that was sent. */
  #cursor: number;
  /** Ends of the batches that are not acknowledged. */
  #inFlight: number[] = [];
  /** Where the batch ends that was found to be due: it stays so whatever is written behind it. */
  #found: number | undefined;

  constructor(sql: Sql, log: LogName, cursor: number, gather: boolean) {
    this.#sql = sql;
    this.#log = log;
    this.#gather = gather;
    this.#cursor = cursor;
  }

  /** A session begins behind `cursor`. */
  restart(cursor: number): void {
    this.#cursor = cursor;
    this.#inFlight = [];
    this.#found = undefined;
  }

  /** The peer has everything up to `applied`. */
  arrived(applied: number): void {
    this.#inFlight = this.#inFlight.filter((end) => end > applied);
  }

  /** Is there a next batch, and may it go? */
  get isDue(): boolean {
    this.#found ??= this.#due();
    return this.#found !== undefined;
  }

  /** The next entries to send, or none while enough is in flight. */
  next(): Entry[] {
    const end = this.#found ?? this.#due();
    if (end === undefined) return [];
    this.#found = undefined;
    const rows = this.#sql.run(
      `SELECT seq, at, body FROM log_outbox WHERE log = ? AND seq > ? AND seq <= ? ORDER BY seq`,
      this.#log,
      this.#cursor,
      end,
    );
    this.#cursor = end;
    this.#inFlight.push(end);
    return rows.map((row) => ({
      type: 'entry',
      log: this.#log,
      seq: int(row, 'seq'),
      at: int(row, 'at'),
      body: text(row, 'body'),
    }));
  }

  /** The last position of the batch that may go now. */
  #due(): number | undefined {
    if (this.#inFlight.length >= BATCHES_IN_FLIGHT_MAX) return undefined;
    const cut = this.#cut();
    if (this.#gather && this.#inFlight.length > 0 && cut?.full !== true) return undefined;
    return cut?.end;
  }

  /** Looks at sizes alone: 500 bodies may be 32 MB, of which 256 KiB go. */
  #cut(): Cut | undefined {
    const rows = this.#sql.run(
      `SELECT seq, bytes FROM log_outbox WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?`,
      this.#log,
      this.#cursor,
      BATCH_ENTRIES_MAX,
    );
    let bytes = 0;
    const tooMany = rows.findIndex((row, index) => {
      bytes += int(row, 'bytes');
      return index > 0 && bytes > BATCH_BYTES_MAX;
    });
    const last = tooMany === -1 ? rows.at(-1) : rows[tooMany - 1];
    if (last === undefined) return undefined;
    return { end: int(last, 'seq'), full: tooMany !== -1 || rows.length === BATCH_ENTRIES_MAX };
  }
}
