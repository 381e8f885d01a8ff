import type { Entry, LogName } from '../frames/index.ts';
import { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BATCHES_IN_FLIGHT_MAX } from '../limits.ts';
import { int, type Sql, text } from './sql.ts';

/** What of a log is on this session's wire. */
export class Batches {
  readonly #sql: Sql;
  readonly #log: LogName;
  /** The last entry that was sent. */
  #cursor: number;
  /** Ends of the batches that are not acknowledged. */
  #inFlight: number[] = [];

  constructor(sql: Sql, log: LogName, cursor: number) {
    this.#sql = sql;
    this.#log = log;
    this.#cursor = cursor;
  }

  /** A session begins behind `cursor`. */
  restart(cursor: number): void {
    this.#cursor = cursor;
    this.#inFlight = [];
  }

  /** The peer has everything up to `applied`. */
  arrived(applied: number): void {
    this.#inFlight = this.#inFlight.filter((end) => end > applied);
  }

  /** The next entries to send, or none while enough is in flight. */
  next(): Entry[] {
    if (this.#inFlight.length >= BATCHES_IN_FLIGHT_MAX) return [];
    const end = this.#end();
    if (end === undefined) return [];
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

  /** The last position of the next batch. Looks at sizes alone: 500 bodies may be 32 MB, of which 256 KiB go. */
  #end(): number | undefined {
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
    return last === undefined ? undefined : int(last, 'seq');
  }
}
