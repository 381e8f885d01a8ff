import {
  type EntryKey,
  type EntryToOrchestrator,
  Failure,
  type Inbox,
  type InboxItem,
  int,
  type Letter,
  type LogName,
  type Outbox,
  orchestratorCodec,
  type Sql,
  type SqlRow,
  text,
} from '@clawdbot/protocol';
import type { Logger } from '../log.ts';

/** Names an entry of one of the edge's logs. */
export interface LetterKey extends EntryKey {
  readonly log: LogName;
}

/** A dead letter, as `GET /internal/deadletters` shows it. */
export type DeadLetter = Letter & LetterKey;

export interface DeadLettersOptions {
  readonly sql: Sql;
  readonly inboxes: Readonly<Record<LogName, Inbox>>;
  /** Of the control log. */
  readonly outbox: Outbox;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
  /** Something is pending or has been appended. Called inside transactions: act a turn later. */
  readonly onChange: () => void;
}

type Report = Pick<SqlRow, 'state' | 'attempts' | 'error'>;
type Action = Extract<EntryToOrchestrator, { type: 'dead_letter_action' }>;

const LOGS: readonly LogName[] = ['control', 'queue'];
/** Reports written in one go, when the log has room again. */
const REPORTS = 500;

/**
 * Entries that could not be handled, and what the edge is told of them: each report is written down in the
 * transaction of its fact, and becomes an entry of the control log there, or later when that is full. A row of
 * `letter_reports` is a letter that the edge believes dead, or is about to hear of.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** What is dead, of both logs, in the order of their entries. */
  list(limit: number, after?: LetterKey): DeadLetter[] {
    const from = after === undefined ? 0 : LOGS.indexOf(after.log);
    const letters: DeadLetter[] = [];
    for (const log of LOGS.slice(from)) {
      const behind = log === after?.log ? after : undefined;
      const found = this.#inbox(log).letters(limit - letters.length, behind);
      letters.push(...found.map((letter) => ({ ...letter, log })));
      if (letters.length === limit) break;
    }
    return letters;
  }

  /** Has a dead letter handled once more. @returns false when there is no such letter */
  replay(key: LetterKey): boolean {
    const { sql, log, onChange } = this.#options;
    const replayed = sql.transaction(() => this.#inbox(key.log).replay(key));
    if (replayed) log.info('a dead letter is handled once more', { ...key });
    onChange();
    return replayed;
  }

  /** Gives a dead letter up, for good. @returns false when there is no such letter */
  drop(key: LetterKey): boolean {
    const { sql, log } = this.#options;
    const dropped = sql.transaction(() => {
      const letter = this.#inbox(key.log).letter(key);
      if (letter === undefined) return false;
      this.#inbox(key.log).drop(key);
      this.#report(key, { state: 'dropped', attempts: letter.attempts, error: letter.error });
      return true;
    });
    if (dropped) log.warn('a dead letter was dropped', { ...key });
    return dropped;
  }

  /** Does what an operator asked of the edge, in the caller's transaction. */
  act({ log, logId, seq, action }: Action): void {
    const key = { log, logId, seq };
    const found = action === 'replay' ? this.replay(key) : this.drop(key);
    if (found || this.#isPending(key)) return;
    // The edge shows a letter that is not here any more, e.g. since the database was restored.
    this.#report(key, { state: 'dropped', attempts: 0, error: 'the orchestrator does not have this entry' });
  }

  /** An entry could not be handled: in a transaction of its own. One that never can be is dead at once. */
  failed(log: LogName, item: InboxItem, error: unknown): void {
    const { sql, now } = this.#options;
    const why = error instanceof Error ? error.message : String(error);
    const hopeless = error instanceof Failure && !error.retryable;
    const state = sql.transaction(() => {
      if (hopeless) return this.bury(log, item, why);
      const next = this.#inbox(log).failed(item, why, now());
      if (next === 'dead') this.#dead(log, item, why);
      return next;
    });
    const { logId, seq } = item;
    if (state === 'retry') this.#options.log.warn('an entry is tried again', { log, logId, seq, error });
  }

  /** An entry can never be handled: in the caller's transaction. */
  bury(log: LogName, item: InboxItem, why: string): 'dead' {
    this.#inbox(log).dead(item, why, this.#options.now());
    this.#dead(log, item, why);
    return 'dead';
  }

  /** An entry was handled: in that transaction. The edge hears of it if it was a dead letter before. */
  handled(log: LogName, { logId, seq, attempts }: InboxItem): void {
    const key = { log, logId, seq };
    if (this.#isReported(key)) this.#report(key, { state: 'handled', attempts: attempts + 1, error: '' });
  }

  /** Tells the edge of what there was no room for before, and of letters that were given up (DEAD_LETTERS_MAX). */
  tell(): void {
    const { sql } = this.#options;
    sql.transaction(() => this.#reportGivenUp());
    const due = sql.run(`SELECT * FROM letter_reports WHERE due = 1 LIMIT ?`, REPORTS);
    if (due.length === 0) return;
    sql.transaction(() => {
      for (const row of due) if (!this.#append(row)) return;
    });
  }

  #reportGivenUp(): void {
    const gone = this.#options.sql.run(
      `SELECT log, log_id, seq, attempts FROM letter_reports AS r WHERE state = 'dead' AND NOT EXISTS (
         SELECT 1 FROM log_inbox AS i WHERE i.log = r.log AND i.log_id = r.log_id AND i.seq = r.seq)
       LIMIT ?`,
      REPORTS,
    );
    for (const row of gone) {
      const error = 'the orchestrator had too many dead letters, and gave up the oldest';
      this.#report(keyOf(row), { state: 'dropped', attempts: int(row, 'attempts'), error });
    }
  }

  #dead(log: LogName, { logId, seq, attempts }: InboxItem, why: string): void {
    this.#options.log.error('an entry is a dead letter', { log, logId, seq, why });
    this.#report({ log, logId, seq }, { state: 'dead', attempts: attempts + 1, error: why.slice(0, 2_000) });
  }

  #report({ log, logId, seq }: LetterKey, { state, attempts, error }: Report): void {
    const [row] = this.#options.sql.run(
      `INSERT OR REPLACE INTO letter_reports (log, log_id, seq, state, at, attempts, error, due)
       VALUES (?, ?, ?, ?, ?, ?, ?, 1) RETURNING *`,
      log,
      logId,
      seq,
      state ?? null,
      this.#options.now(),
      attempts ?? null,
      error ?? null,
    );
    if (row !== undefined) this.#append(row);
  }

  /** @returns false when the log is full: the row stays due */
  #append(row: SqlRow): boolean {
    const { outbox, onChange } = this.#options;
    try {
      outbox.append(entryOf(row));
    } catch (error) {
      if (error instanceof Failure && error.code === 'log_full') return false;
      throw error;
    }
    this.#settle(row);
    onChange();
    return true;
  }

  /** What is over needs no row any more: the edge does not believe it dead. */
  #settle(row: SqlRow): void {
    const { sql } = this.#options;
    const { log, logId, seq } = keyOf(row);
    const change =
      row['state'] === 'dead' ? 'UPDATE letter_reports SET due = 0' : 'DELETE FROM letter_reports';
    sql.run(`${change} WHERE log = ? AND log_id = ? AND seq = ?`, log, logId, seq);
  }

  #isReported({ log, logId, seq }: LetterKey): boolean {
    const { sql } = this.#options;
    const where = `WHERE log = ? AND log_id = ? AND seq = ?`;
    return sql.run(`SELECT 1 FROM letter_reports ${where}`, log, logId, seq).length > 0;
  }

  #isPending({ log, logId, seq }: LetterKey): boolean {
    const { sql } = this.#options;
    const where = `WHERE log = ? AND log_id = ? AND seq = ? AND state = 'pending'`;
    return sql.run(`SELECT 1 FROM log_inbox ${where}`, log, logId, seq).length > 0;
  }

  #inbox(log: LogName): Inbox {
    return this.#options.inboxes[log];
  }
}

/** The columns hold what `#report` wrote. */
const keyOf = (row: SqlRow): LetterKey => ({
  log: text(row, 'log') as LogName,
  logId: text(row, 'log_id'),
  seq: int(row, 'seq'),
});

function entryOf(row: SqlRow): string {
  const state = text(row, 'state') as 'dead' | 'handled' | 'dropped';
  return orchestratorCodec.encodeEntry({
    type: 'dead_letter',
    ...keyOf(row),
    at: int(row, 'at'),
    state,
    attempts: int(row, 'attempts'),
    error: text(row, 'error'),
  });
}
