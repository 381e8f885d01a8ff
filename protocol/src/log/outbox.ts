import { Failure } from '../errors.ts';
import type { Entry, LogName } from '../frames/index.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  BATCHES_IN_FLIGHT_MAX,
  LOG_BYTES_MAX,
  LOG_ENTRIES_MAX,
  LOG_RETENTION_MS,
} from '../limits.ts';
import { int, type Sql, text } from './sql.ts';

export interface OutboxOptions {
  readonly sql: Sql;
  readonly log: LogName;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Names a new log; asked once in a database's life. */
  readonly newLogId: () => string;
}

/**
 * The sending half of a durable log. Entries are numbered from 1 without gaps and kept until they are
 * acknowledged and past the retention.
 */
export class Outbox {
  readonly #sql: Sql;
  readonly #log: LogName;
  readonly #now: () => number;
  /** The last entry put on this session's wire; a session begins with `resume`. */
  #cursor = 0;
  /** Ends of the batches on the wire that are not acknowledged. */
  #inFlight: number[] = [];

  constructor({ sql, log, now, newLogId }: OutboxOptions) {
    this.#sql = sql;
    this.#log = log;
    this.#now = now;
    sql.run(`INSERT OR IGNORE INTO log_state (log, direction, log_id) VALUES (?, 'out', ?)`, log, newLogId());
    // A session that outlives this instance (hibernation) has its unacknowledged entries sent again: its peer
    // passes over what it has.
    this.#cursor = int(this.#state(), 'acked');
  }

  /**
   * Writes an entry in the caller's transaction, beside the fact it reports.
   * Throws `Failure('log_full')` when the log is at its bound: then nothing was written.
   * @returns its position
   */
  append(body: string): number {
    const state = this.#state();
    if (int(state, 'rows') >= LOG_ENTRIES_MAX || int(state, 'bytes') + body.length > LOG_BYTES_MAX) {
      throw new Failure(
        'log_full',
        `the ${this.#log} log is full: the other side has not acknowledged its entries`,
        {
          retryAfterMs: 60_000,
        },
      );
    }
    const seq = int(state, 'last') + 1;
    this.#sql.run(
      `INSERT INTO log_outbox (log, seq, at, bytes, body) VALUES (?, ?, ?, ?, ?)`,
      this.#log,
      seq,
      this.#now(),
      body.length,
      body,
    );
    this.#sql.run(
      `UPDATE log_state SET last = ?, rows = rows + 1, bytes = bytes + ? WHERE log = ? AND direction = 'out'`,
      seq,
      body.length,
      this.#log,
    );
    return seq;
  }

  /** Puts another body in an entry's place, if it was never on a wire. @returns whether it was done */
  replace(seq: number, body: string): boolean {
    if (seq <= this.offered) return false;
    this.#sql.run(`UPDATE log_outbox SET body = ? WHERE log = ? AND seq = ?`, body, this.#log, seq);
    return true;
  }

  get logId(): string {
    return text(this.#state(), 'log_id');
  }

  /** The database was restored, and the peer has entries of before: from here on this is another log. */
  renew(logId: string): void {
    this.#sql.run(`UPDATE log_state SET log_id = ? WHERE log = ? AND direction = 'out'`, logId, this.#log);
  }

  /** Where this log stands, as `hello` and `welcome` tell it. */
  position(): { logId: string; oldest: number; last: number } {
    const last = int(this.#state(), 'last');
    const [first] = this.#sql.run(`SELECT MIN(seq) AS oldest FROM log_outbox WHERE log = ?`, this.#log);
    return { logId: this.logId, oldest: first?.['oldest'] == null ? last + 1 : int(first, 'oldest'), last };
  }

  /** A session begins: sending goes on behind what the peer has applied. */
  resume(applied: number): void {
    this.acknowledge(applied);
    this.#cursor = applied;
    this.#inFlight = [];
  }

  /** The next entries to send, or none while enough is in flight. What it returns counts as offered. */
  nextBatch(): Entry[] {
    if (this.#inFlight.length >= BATCHES_IN_FLIGHT_MAX) return [];
    const rows = this.#sql.run(
      `SELECT seq, at, bytes, body FROM log_outbox WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?`,
      this.#log,
      this.#cursor,
      BATCH_ENTRIES_MAX,
    );
    const entries: Entry[] = [];
    let bytes = 0;
    for (const row of rows) {
      bytes += int(row, 'bytes');
      if (entries.length > 0 && bytes > BATCH_BYTES_MAX) break;
      entries.push({
        type: 'entry',
        log: this.#log,
        seq: int(row, 'seq'),
        at: int(row, 'at'),
        body: text(row, 'body'),
      });
    }
    const end = entries.at(-1)?.seq;
    if (end === undefined) return [];
    this.#sql.run(
      `UPDATE log_state SET offered = MAX(offered, ?) WHERE log = ? AND direction = 'out'`,
      end,
      this.#log,
    );
    this.#cursor = end;
    this.#inFlight.push(end);
    return entries;
  }

  /** The peer has committed everything up to `applied`. @returns the first position newly acknowledged */
  acknowledge(applied: number): number {
    const state = this.#state();
    const before = int(state, 'acked');
    const upTo = Math.min(applied, int(state, 'last'));
    this.#inFlight = this.#inFlight.filter((end) => end > upTo);
    if (upTo > before) {
      this.#sql.run(`UPDATE log_state SET acked = ? WHERE log = ? AND direction = 'out'`, upTo, this.#log);
    }
    return before + 1;
  }

  /** The last position ever put on a wire: what is behind it may still be replaced. */
  get offered(): number {
    return int(this.#state(), 'offered');
  }

  /** How far the peer has ever acknowledged. */
  get acked(): number {
    return int(this.#state(), 'acked');
  }

  /** The body of an entry that is still kept. */
  body(seq: number): string | undefined {
    const [row] = this.#sql.run(`SELECT body FROM log_outbox WHERE log = ? AND seq = ?`, this.#log, seq);
    return row === undefined ? undefined : text(row, 'body');
  }

  /** Entries written and not acknowledged. */
  get depth(): number {
    const state = this.#state();
    return int(state, 'last') - int(state, 'acked');
  }

  /** Deletes what is acknowledged and older than the retention, `limit` rows at most. @returns rows deleted */
  compact(limit = 5_000): number {
    return this.#sql.transaction(() => {
      const acked = int(this.#state(), 'acked');
      const gone = this.#sql.run(
        `DELETE FROM log_outbox WHERE log = ?1 AND seq IN (
           SELECT seq FROM log_outbox WHERE log = ?1 AND seq <= ?2 AND at < ?3 ORDER BY seq LIMIT ?4)
         RETURNING bytes`,
        this.#log,
        acked,
        this.#now() - LOG_RETENTION_MS,
        limit,
      );
      const bytes = gone.reduce((sum, row) => sum + int(row, 'bytes'), 0);
      this.#sql.run(
        `UPDATE log_state SET rows = rows - ?, bytes = bytes - ? WHERE log = ? AND direction = 'out'`,
        gone.length,
        bytes,
        this.#log,
      );
      return gone.length;
    });
  }

  #state() {
    return this.#sql.run(`SELECT * FROM log_state WHERE log = ? AND direction = 'out'`, this.#log)[0];
  }
}
