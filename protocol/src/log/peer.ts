import { sha256Of } from '../canonical.ts';
import type { Entry, LogName, Positions } from '../frames/index.ts';
import { int, type Sql, type SqlRow } from './sql.ts';

/** Where reception goes on, and what is lost for good if the peer no longer has it. */
export interface Followed {
  readonly applied: number;
  /** Said aloud: why this is no plain resumption. */
  readonly resync?: string;
  /** Both ends included. */
  readonly unrecoverable?: { readonly from: number; readonly to: number };
}

/** Whose log this follows, how far, and the digest of the entry there, if it came since that was kept. */
export interface Reached {
  readonly peerLogId?: string;
  readonly applied: number;
  readonly appliedDigest?: string;
}

/** Which of the peer's logs an inbox follows, how far, and which ones it followed before. */
export class Peer {
  readonly #sql: Sql;
  readonly #log: LogName;

  constructor(sql: Sql, log: LogName) {
    this.#sql = sql;
    this.#log = log;
    sql.run(`INSERT OR IGNORE INTO log_state (log, direction) VALUES (?, 'in')`, log);
  }

  position(): Reached {
    const state = this.state();
    const peer = state?.['log_id'];
    const digest = state?.['digest'];
    return {
      ...(typeof peer === 'string' ? { peerLogId: peer } : {}),
      applied: int(state, 'acked'),
      ...(typeof digest === 'string' ? { appliedDigest: digest } : {}),
    };
  }

  /** In the transaction that commits the entries up to this one. */
  moveTo({ seq, body }: Entry): void {
    this.#sql.run(
      `UPDATE log_state SET acked = ?, digest = ? WHERE log = ? AND direction = 'in'`,
      seq,
      digestOfBody(body),
      this.#log,
    );
  }

  isRetired(logId: string): boolean {
    return (
      this.#sql.run(`SELECT 1 FROM log_retired WHERE log = ? AND log_id = ?`, this.#log, logId).length > 0
    );
  }

  /** See `Inbox.follow`. */
  follow({ logId, oldest, continues }: Pick<Positions, 'logId' | 'oldest' | 'continues'>): Followed {
    if (this.isRetired(logId)) throw new Error(`the log ${logId} was replaced by another, and is back`);
    const { peerLogId, applied } = this.position();
    const same = peerLogId === logId;
    const common = same ? applied : this.#commonWith(continues);
    const shared = common === undefined ? undefined : Math.min(applied, common);
    const start = Math.max(shared ?? 0, oldest - 1);
    if (same && start === applied) return { applied };
    this.#sql.transaction(() => {
      if (!same && peerLogId !== undefined) this.#retire(peerLogId, common ?? 0);
      this.#sql.run(
        // At another position stands another entry, of which nothing is known.
        `UPDATE log_state SET log_id = ?1, digest = CASE acked WHEN ?2 THEN digest END, acked = ?2
         WHERE log = ?3 AND direction = 'in'`,
        logId,
        start,
        this.#log,
      );
    });
    if (peerLogId === undefined) return { applied: start };
    const gone = shared !== undefined && start > shared ? { from: shared + 1, to: start } : undefined;
    const resync = same ? 'entries are gone' : `the log is a new one (${logId})`;
    return { applied: start, resync, ...(gone === undefined ? {} : { unrecoverable: gone }) };
  }

  /**
   * Up to which position a log that continues `parent` is the same as the one followed now. The parent may itself
   * have been left for a later one: then the two have in common what each log between them took over.
   */
  #commonWith(parent: Positions['continues']): number | undefined {
    if (parent === undefined) return undefined;
    if (parent.logId === this.position().peerLogId) return parent.seq;
    if (!this.isRetired(parent.logId)) return undefined;
    const [row] = this.#sql.run(
      `SELECT MIN(shared) AS shared FROM log_retired WHERE log = ? AND epoch >= ?`,
      this.#log,
      this.epochOf(parent.logId),
    );
    return Math.min(parent.seq, int(row, 'shared'));
  }

  /** @param shared what the next log has in common with this one */
  #retire(logId: string, shared: number): void {
    this.#sql.run(
      `INSERT INTO log_retired (log, log_id, epoch, shared)
         SELECT log, ?, epoch, ? FROM log_state WHERE log = ? AND direction = 'in'`,
      logId,
      shared,
      this.#log,
    );
    this.#sql.run(`UPDATE log_state SET epoch = epoch + 1 WHERE log = ? AND direction = 'in'`, this.#log);
  }

  /** Its place among the peer's logs. One that was left before that was written down is among the first. */
  epochOf(logId: string): number {
    const state = this.state();
    if (state?.['log_id'] === logId) return int(state, 'epoch');
    const [row] = this.#sql.run(
      `SELECT epoch FROM log_retired WHERE log = ? AND log_id = ?`,
      this.#log,
      logId,
    );
    return row === undefined ? 0 : int(row, 'epoch');
  }

  /** The inbox's row of `log_state`. */
  state(): SqlRow | undefined {
    return this.#sql.run(`SELECT * FROM log_state WHERE log = ? AND direction = 'in'`, this.#log)[0];
  }
}

const encoder = new TextEncoder();

/** What both sides compare an entry by, when only one of them has it. */
export const digestOfBody = (body: string): string => sha256Of(encoder.encode(body));
