import {
  type DeadLetter,
  type DeadLetterDetail,
  type EntryToEdge,
  edgeCodec,
  int,
  type LogName,
  type Sql,
  type SqlRow,
  text,
} from '@clawdbot/protocol';
import { type LetterPlace, letterId, noLetter } from './letter-id.ts';
import type { Logs } from './logs.ts';
import type { Meta } from './store.ts';

type Report = Extract<EntryToEdge, { type: 'dead_letter' }>;

/** Those told of last, more than anybody goes through; older ones are counted and forgotten here, not on the VPS. */
const LETTERS_MAX = 10_000;

export interface RemoteLettersParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly logs: Logs;
  readonly orchestratorId: string;
}

/**
 * The dead letters that lie on the VPS, as it has told of them: so they are seen while it is away. What an operator
 * wants done with one is an entry of the control log.
 */
export class RemoteLetters {
  readonly #parts: RemoteLettersParts;

  constructor(parts: RemoteLettersParts) {
    this.#parts = parts;
  }

  /** In the transaction that handles the entry. */
  report({ log, logId, seq, at, state, attempts, error }: Report): void {
    const { sql } = this.#parts;
    if (state !== 'dead') {
      sql.run(`DELETE FROM dead_letters WHERE log = ? AND log_id = ? AND seq = ?`, log, logId, seq);
      return;
    }
    const body = this.#bodyOf(log, logId, seq);
    sql.run(
      `INSERT INTO dead_letters (log, log_id, seq, at, attempts, error, entry_type, body, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'dead')
       ON CONFLICT (log, log_id, seq) DO UPDATE SET at = excluded.at, attempts = excluded.attempts,
         error = excluded.error, state = 'dead', asked_seq = NULL`,
      log,
      logId,
      seq,
      at,
      attempts,
      error,
      entryTypeOf(body) ?? null,
      body ?? null,
    );
    this.#bound();
  }

  /** In the order in which they were told of, behind `after`. */
  list(limit: number, after = 0): { n: number; letter: DeadLetter }[] {
    return this.#parts.sql
      .run(`SELECT * FROM dead_letters WHERE n > ? ORDER BY n LIMIT ?`, after, limit)
      .map((row) => ({ n: int(row, 'n'), letter: this.#shown(row) }));
  }

  get(place: LetterPlace): DeadLetterDetail {
    const row = this.#row(place);
    return { ...this.#shown(row), ...(row['body'] === null ? {} : { body: text(row, 'body') }) };
  }

  /** Asks the orchestrator; asking again while that has not reached it adds nothing. */
  act(place: LetterPlace, action: 'replay' | 'drop', actor: string): DeadLetter {
    const { sql, logs } = this.#parts;
    const state = action === 'replay' ? 'replaying' : 'dropping';
    return sql.transaction(() => {
      const row = this.#row(place);
      const { outbox } = logs.control;
      const underWay = row['asked_seq'] !== null && int(row, 'asked_seq') > outbox.acked;
      if (underWay && row['state'] === state) return this.#shown(row);
      const { log, logId, seq } = place;
      const entry = { type: 'dead_letter_action', log, logId, seq, action, actor } as const;
      const asked = outbox.append(edgeCodec.encodeEntry(entry));
      sql.run(`UPDATE dead_letters SET state = ?, asked_seq = ? WHERE n = ?`, state, asked, int(row, 'n'));
      return this.#shown(this.#row(place));
    });
  }

  get count(): number {
    return int(this.#parts.sql.run(`SELECT COUNT(*) AS n FROM dead_letters`)[0], 'n');
  }

  /**
   * The orchestrator's database is another one, which has this log's entries up to `applied`: what was behind them
   * is offered again, and may be handled this time.
   */
  forget(log: LogName, applied: number): void {
    this.#parts.sql.run(`DELETE FROM dead_letters WHERE log = ? AND seq > ?`, log, applied);
  }

  #bound(): void {
    const { sql, meta, orchestratorId } = this.#parts;
    const gone = sql.run(
      `DELETE FROM dead_letters WHERE n <= (SELECT MAX(n) FROM dead_letters) - ? RETURNING n`,
      LETTERS_MAX,
    ).length;
    if (gone === 0) return;
    meta.add('letters_forgotten', gone);
    console.error(`${orchestratorId} has too many dead letters: the oldest ${gone} are listed there only`);
  }

  /** The entry that died, if it is still kept. Of an older log of ours the positions say nothing. */
  #bodyOf(log: LogName, logId: string, seq: number): string | undefined {
    const { outbox } = this.#parts.logs[log];
    const { logId: ours, continues } = outbox.position();
    const shared = continues?.logId === logId && seq <= continues.seq;
    return logId === ours || shared ? outbox.body(seq) : undefined;
  }

  #row(place: LetterPlace): SqlRow {
    const [row] = this.#parts.sql.run(
      `SELECT * FROM dead_letters WHERE log = ? AND log_id = ? AND seq = ?`,
      place.log,
      place.logId,
      place.seq,
    );
    if (row === undefined) throw noLetter(letterId(place));
    return row;
  }

  #shown(row: SqlRow): DeadLetter {
    const { orchestratorId } = this.#parts;
    const log = text(row, 'log') === 'queue' ? 'queue' : 'control';
    const place = { orchestratorId, side: 'orchestrator', log, seq: int(row, 'seq') } as const;
    const state = text(row, 'state');
    return {
      id: letterId({ ...place, logId: text(row, 'log_id') }),
      ...place,
      at: int(row, 'at'),
      attempts: int(row, 'attempts'),
      error: text(row, 'error'),
      state: state === 'replaying' || state === 'dropping' ? state : 'dead',
      ...(row['entry_type'] === null ? {} : { entryType: text(row, 'entry_type') }),
    };
  }
}

/** What an entry says it is, when it can be read that far. */
export function entryTypeOf(body: string | undefined): string | undefined {
  try {
    const type: unknown = JSON.parse(body ?? 'null')?.type;
    return typeof type === 'string' ? type.slice(0, 100) : undefined;
  } catch {
    return undefined;
  }
}
