import type { LogName } from '../frames/index.ts';
import { LOG_BYTES_MAX, LOG_ENTRIES_MAX } from '../limits.ts';
import type { Said } from './progress.ts';
import { int, type Sql, type SqlRow } from './sql.ts';

/** How much an outbox holds, within its bounds. */
export class Room {
  readonly #sql: Sql;
  readonly #log: LogName;

  constructor(sql: Sql, log: LogName) {
    this.#sql = sql;
    this.#log = log;
  }

  /**
   * Counts new entries in, and writes what the peer has said in the same statement, if that is still to be written.
   * @returns the new last position, or undefined when there is no room: then nothing was written
   */
  countIn(rows: number, bytes: number, said: Said | undefined): number | undefined {
    const [row] = this.#sql.run(
      `UPDATE log_state SET last = last + ?2, rows = rows + ?2, bytes = bytes + ?3,
         acked = COALESCE(?4, acked), projected = COALESCE(?5, projected)
       WHERE log = ?1 AND direction = 'out' AND rows + ?2 <= ?6 AND bytes + ?3 <= ?7 RETURNING last`,
      this.#log,
      rows,
      bytes,
      said?.acked ?? null,
      said?.projected ?? null,
      LOG_ENTRIES_MAX,
      LOG_BYTES_MAX,
    );
    return row === undefined ? undefined : int(row, 'last');
  }

  change(rows: number, bytes: number): void {
    this.#sql.run(
      `UPDATE log_state SET rows = rows + ?, bytes = bytes + ? WHERE log = ? AND direction = 'out'`,
      rows,
      bytes,
      this.#log,
    );
  }

  /**
   * Deletes from the oldest on what is acknowledged, up to one written at `before` (never a hole in the log) and
   * `limit` rows at most. @returns rows deleted
   */
  forget(acked: number, limit: number, before: number): number {
    const [oldest] = this.#upTo(acked, 1);
    if (oldest === undefined || int(oldest, 'at') >= before) return 0;
    const rows = this.#upTo(acked, limit);
    const kept = rows.findIndex((row) => int(row, 'at') >= before);
    const gone = kept === -1 ? rows : rows.slice(0, kept);
    this.#sql.run(`DELETE FROM log_outbox WHERE log = ? AND seq <= ?`, this.#log, int(gone.at(-1), 'seq'));
    this.change(-gone.length, -gone.reduce((sum, row) => sum + int(row, 'bytes'), 0));
    return gone.length;
  }

  #upTo(acked: number, limit: number): SqlRow[] {
    return this.#sql.run(
      `SELECT seq, at, bytes FROM log_outbox WHERE log = ? AND seq <= ? ORDER BY seq LIMIT ?`,
      this.#log,
      acked,
      limit,
    );
  }
}
