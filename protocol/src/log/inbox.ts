import type { Entry, LogName } from '../frames/index.ts';
import { int, type Sql, text } from './sql.ts';

/** An entry waiting to be handled. */
export interface InboxItem {
  readonly logId: string;
  readonly seq: number;
  readonly at: number;
  readonly body: string;
  readonly attempts: number;
}

export type Received =
  /** Everything up to `applied` is committed: acknowledge it. `fresh` counts entries not seen before. */
  | { readonly ok: true; readonly applied: number; readonly fresh: number }
  /** The peer skipped entries: it must resume behind `applied`. */
  | { readonly ok: false; readonly applied: number; readonly got: number };

/**
 * The receiving half of a durable log: takes entries in order, exactly once, and keeps them until they are
 * handled. The position and the entries are committed in one transaction, so that an acknowledgement is true
 * across any crash.
 */
export class Inbox {
  readonly #sql: Sql;
  readonly #log: LogName;

  constructor(sql: Sql, log: LogName) {
    this.#sql = sql;
    this.#log = log;
    sql.run(`INSERT OR IGNORE INTO log_state (log, direction) VALUES (?, 'in')`, log);
  }

  /** Whose log this follows, and how far. */
  position(): { peerLogId?: string; applied: number } {
    const state = this.#state();
    const peer = state?.['log_id'];
    return { ...(typeof peer === 'string' ? { peerLogId: peer } : {}), applied: int(state, 'acked') };
  }

  /**
   * A session begins with a peer whose log is `logId` and reaches back to `oldest`.
   * Another `logId` than before, or entries that are gone, start afresh at `oldest`: that is a resync, and the
   * caller says so aloud.
   */
  follow(logId: string, oldest: number): { applied: number; resync?: string } {
    const { peerLogId, applied } = this.position();
    if (peerLogId === logId && applied >= oldest - 1) return { applied };
    const start = Math.max(0, oldest - 1);
    this.#sql.run(
      `UPDATE log_state SET log_id = ?, acked = ? WHERE log = ? AND direction = 'in'`,
      logId,
      start,
      this.#log,
    );
    if (peerLogId === undefined) return { applied: start };
    const resync =
      peerLogId === logId ? `entries ${applied + 1} to ${start} are gone` : `the log is a new one (${logId})`;
    return { applied: start, resync };
  }

  /** Commits entries and the new position in one transaction; those already committed are passed over. */
  receive(entries: readonly Entry[]): Received {
    return this.#sql.transaction((): Received => {
      const { peerLogId, applied } = this.position();
      if (peerLogId === undefined)
        throw new Error('entries before the session has said whose log they are of');
      const fresh = entries.filter((entry) => entry.seq > applied);
      const broken = fresh.find((entry, index) => entry.seq !== applied + 1 + index);
      if (broken !== undefined) return { ok: false, applied, got: broken.seq };
      const last = fresh.at(-1)?.seq;
      if (last === undefined) return { ok: true, applied, fresh: 0 };
      // One statement for the whole batch: measured 7 times as fast as a statement a row.
      this.#sql.run(
        `INSERT INTO log_inbox (log, log_id, seq, at, body)
           SELECT ?1, ?2, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?3)`,
        this.#log,
        peerLogId,
        JSON.stringify(fresh.map(({ seq, at, body }) => [seq, at, body])),
      );
      this.#sql.run(`UPDATE log_state SET acked = ? WHERE log = ? AND direction = 'in'`, last, this.#log);
      return { ok: true, applied: last, fresh: fresh.length };
    });
  }

  /** The oldest entries that wait to be handled. */
  pending(limit: number): InboxItem[] {
    return this.#sql
      .run(
        `SELECT log_id, seq, at, body, attempts FROM log_inbox
         WHERE log = ? AND state = 'pending' ORDER BY log_id, seq LIMIT ?`,
        this.#log,
        limit,
      )
      .map((row) => ({
        logId: text(row, 'log_id'),
        seq: int(row, 'seq'),
        at: int(row, 'at'),
        body: text(row, 'body'),
        attempts: int(row, 'attempts'),
      }));
  }

  /** Handled: in the caller's transaction, with what the handling changed. The row is no longer needed. */
  done(item: Pick<InboxItem, 'logId' | 'seq'>): void {
    this.#sql.run(
      `DELETE FROM log_inbox WHERE log = ? AND log_id = ? AND seq = ?`,
      this.#log,
      item.logId,
      item.seq,
    );
  }

  /** Cannot be handled: kept as a dead letter with its reason; what is behind it goes on. */
  dead(item: Pick<InboxItem, 'logId' | 'seq'>, error: string): void {
    this.#sql.run(
      `UPDATE log_inbox SET state = 'dead', attempts = attempts + 1, error = ? WHERE log = ? AND log_id = ? AND seq = ?`,
      error.slice(0, 2_000),
      this.#log,
      item.logId,
      item.seq,
    );
  }

  /** Entries that wait, and dead letters. */
  depth(): { pending: number; dead: number } {
    const [row] = this.#sql.run(
      `SELECT COALESCE(SUM(state = 'pending'), 0) AS pending, COALESCE(SUM(state = 'dead'), 0) AS dead
       FROM log_inbox WHERE log = ?`,
      this.#log,
    );
    return { pending: int(row, 'pending'), dead: int(row, 'dead') };
  }

  #state() {
    return this.#sql.run(`SELECT * FROM log_state WHERE log = ? AND direction = 'in'`, this.#log)[0];
  }
}
