import { Failure } from '../errors.ts';
import type { Entry, LogName, Positions } from '../frames/index.ts';
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
    const seq = this.#reserve(1, body.length);
    this.#sql.run(
      `INSERT INTO log_outbox (log, seq, at, bytes, body) VALUES (?, ?, ?, ?, ?)`,
      this.#log,
      seq,
      this.#now(),
      body.length,
      body,
    );
    return seq;
  }

  /** As `append`, for many at once, in one statement: all of them or none. @returns the first one's position */
  appendAll(bodies: readonly string[]): number {
    const first = this.#reserve(
      bodies.length,
      bodies.reduce((sum, body) => sum + body.length, 0),
    );
    this.#sql.run(
      `INSERT INTO log_outbox (log, seq, at, bytes, body)
         SELECT ?1, ?2 + key, ?3, length(value), value FROM json_each(?4)`,
      this.#log,
      first,
      this.#now(),
      JSON.stringify(bodies),
    );
    return first;
  }

  /** Counts entries in, if there is room. @returns the first one's position */
  #reserve(rows: number, bytes: number): number {
    const state = this.#state();
    if (int(state, 'rows') + rows > LOG_ENTRIES_MAX || int(state, 'bytes') + bytes > LOG_BYTES_MAX) {
      const message = `the ${this.#log} log is full: the other side has not acknowledged its entries`;
      throw new Failure('log_full', message, { retryAfterMs: 60_000 });
    }
    this.#sql.run(
      `UPDATE log_state SET last = last + ?, rows = rows + ?, bytes = bytes + ? WHERE log = ? AND direction = 'out'`,
      rows,
      rows,
      bytes,
      this.#log,
    );
    return int(state, 'last') + 1;
  }

  /** Puts another body in an entry's place, if it was never on a wire. @returns whether it was done */
  replace(seq: number, body: string): boolean {
    if (seq <= this.offered) return false;
    this.rewrite(seq, body);
    return true;
  }

  /** Puts another body in an entry's place that its peer has lost again (a restored database). */
  rewrite(seq: number, body: string): void {
    this.#sql.run(`UPDATE log_outbox SET body = ? WHERE log = ? AND seq = ?`, body, this.#log, seq);
  }

  get logId(): string {
    return text(this.#state(), 'log_id');
  }

  /**
   * The database was restored, and the peer has entries of before: from here on this is another log, whose
   * entries up to its last one are those of the old.
   */
  renew(logId: string): void {
    this.#sql.run(
      `UPDATE log_state SET parent_log_id = log_id, parent_seq = last, log_id = ?
       WHERE log = ? AND direction = 'out'`,
      logId,
      this.#log,
    );
  }

  /** Where this log stands, as `hello` and `welcome` tell it. */
  position(): Pick<Positions, 'logId' | 'continues' | 'oldest' | 'last'> {
    const state = this.#state();
    const last = int(state, 'last');
    const [first] = this.#sql.run(`SELECT MIN(seq) AS oldest FROM log_outbox WHERE log = ?`, this.#log);
    const parent = state?.['parent_log_id'];
    return {
      logId: text(state, 'log_id'),
      ...(typeof parent === 'string' ? { continues: { logId: parent, seq: int(state, 'parent_seq') } } : {}),
      oldest: first?.['oldest'] == null ? last + 1 : int(first, 'oldest'),
      last,
    };
  }

  /**
   * A session begins: sending goes on behind what the peer has applied. That may be less than it once
   * acknowledged, if its database was restored: what is kept is offered again.
   */
  resume(applied: number): void {
    const state = this.#state();
    const acked = Math.min(applied, int(state, 'last'));
    if (acked !== int(state, 'acked')) {
      this.#sql.run(`UPDATE log_state SET acked = ? WHERE log = ? AND direction = 'out'`, acked, this.#log);
    }
    this.#cursor = applied;
    this.#inFlight = [];
  }

  /** The next entries to send, or none while enough is in flight. What it returns counts as offered. */
  nextBatch(): Entry[] {
    if (this.#inFlight.length >= BATCHES_IN_FLIGHT_MAX) return [];
    const end = this.#endOfBatch();
    if (end === undefined) return [];
    const entries = this.#sql
      .run(
        `SELECT seq, at, body FROM log_outbox WHERE log = ? AND seq > ? AND seq <= ? ORDER BY seq`,
        this.#log,
        this.#cursor,
        end,
      )
      .map(
        (row): Entry => ({
          type: 'entry',
          log: this.#log,
          seq: int(row, 'seq'),
          at: int(row, 'at'),
          body: text(row, 'body'),
        }),
      );
    this.#sql.run(
      `UPDATE log_state SET offered = MAX(offered, ?) WHERE log = ? AND direction = 'out'`,
      end,
      this.#log,
    );
    this.#cursor = end;
    this.#inFlight.push(end);
    return entries;
  }

  /** The last position of the next batch. Looks at sizes alone: 500 bodies may be 32 MB, of which 256 KiB go. */
  #endOfBatch(): number | undefined {
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

  /** The edge has brought everything up to `projected` into D1, too. */
  project(projected: number): void {
    this.#sql.run(
      `UPDATE log_state SET projected = ?1 WHERE log = ?2 AND direction = 'out' AND projected < ?1`,
      projected,
      this.#log,
    );
  }

  /** How far D1 is known to show this log. */
  get projected(): number {
    return int(this.#state(), 'projected');
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
