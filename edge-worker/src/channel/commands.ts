import {
  type Command,
  type CommandResult,
  type CommandState,
  type CommandType,
  commandError,
  commandState,
  commandType,
  Failure,
  int,
  isFinal,
  json,
  type Sql,
  type SqlRow,
  text,
} from '@clawdbot/protocol';
import { CommandHistory } from './command-history.ts';
import type { Taken } from './rpc.ts';

export interface NewCommand {
  readonly id: string;
  readonly type: CommandType;
  /** A Worker's name, or "generation 7". */
  readonly subject: string;
  readonly siteId: string;
  readonly seq: number;
  readonly generation?: number;
  readonly idempotencyKey?: string;
  readonly requestDigest: string;
  readonly actor: string;
  readonly expiresAt?: number;
}

/** What a command was about that has ended. */
export interface EndedCommand {
  readonly type: CommandType;
  readonly siteId: string;
  readonly generation?: number;
}

interface Outcome {
  readonly reason?: string;
  readonly result?: unknown;
  readonly error?: CommandResult['error'];
}

/** As many as a dashboard is shown; who watches is told all of them every 30 s anyway. */
const TOUCHED_MAX = 1_000;

/**
 * Every command of this orchestrator, its state and its history:
 * `queued → delivered → running → succeeded | failed | expired | cancelled`. A final state never changes.
 */
export class Commands {
  readonly #sql: Sql;
  readonly #orchestratorId: string;
  readonly #now: () => number;
  readonly #history: CommandHistory;
  /** Changed since they were last asked for. */
  readonly #touched = new Set<string>();
  /** What an instance before this one left to follow up is not known. */
  #changed = true;

  constructor(sql: Sql, orchestratorId: string, now: () => number) {
    this.#sql = sql;
    this.#orchestratorId = orchestratorId;
    this.#now = now;
    this.#history = new CommandHistory(sql);
  }

  /**
   * The command that was taken for this key before, if any.
   * Throws `Failure('idempotency_mismatch')` when the key came with another request.
   */
  repeated(key: string | undefined, requestDigest: string): Taken | undefined {
    if (key === undefined) return undefined;
    const [row] = this.#sql.run(
      `SELECT id, state, generation, request_digest FROM commands WHERE idempotency_key = ?`,
      key,
    );
    if (row === undefined) return undefined;
    if (text(row, 'request_digest') !== requestDigest) {
      throw new Failure(
        'idempotency_mismatch',
        'this Idempotency-Key was used for another request: choose a new one',
      );
    }
    return taken(row);
  }

  /** Has a command changed since this was last asked? Only then are expiries and projections looked at. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** Those that have changed since this was last asked, at most `TOUCHED_MAX` of them: the newest. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  #touch(id: string): void {
    this.#changed = true;
    this.#touched.delete(id);
    this.#touched.add(id);
    const [oldest] = this.#touched.size > TOUCHED_MAX ? this.#touched : [];
    if (oldest !== undefined) this.#touched.delete(oldest);
  }

  /** In the caller's transaction, with its log entry. */
  insert(command: NewCommand): Taken {
    const now = this.#now();
    this.#touch(command.id);
    this.#sql.run(
      `INSERT INTO commands (id, type, subject, site_id, state, seq, generation, idempotency_key, request_digest,
         created_by, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?)`,
      command.id,
      command.type,
      command.subject,
      command.siteId,
      command.seq,
      command.generation ?? null,
      command.idempotencyKey ?? null,
      command.requestDigest,
      command.actor,
      now,
      now,
      command.expiresAt ?? null,
    );
    this.#history.state(command.id, 'queued', now, `by ${command.actor}`);
    const { id, generation } = command;
    return { commandId: id, state: 'queued', ...(generation === undefined ? {} : { generation }) };
  }

  /**
   * Moves a command on. A final one stays as it is. `at` is the clock of whoever saw the change; where clocks
   * differ, a history still never goes back in time.
   * @returns whether it moved
   */
  move(id: string, to: CommandState, at: number, outcome: Outcome = {}): boolean {
    return this.#move(id, to, at, outcome) !== undefined;
  }

  /** @returns the command that moved, as it was before */
  #move(id: string, to: CommandState, at: number, outcome: Outcome): SqlRow | undefined {
    const row = this.#row(id);
    if (row === undefined || isFinal(commandState.parse(row['state'])) || row['state'] === to)
      return undefined;
    const when = Math.max(at, int(row, 'updated_at'));
    const { reason, result, error } = outcome;
    this.#touch(id);
    this.#sql.run(
      `UPDATE commands SET state = ?, reason = ?, result = ?, error = ?, updated_at = ?, version = version + 1
       WHERE id = ?`,
      to,
      reason ?? null,
      jsonOrNull(result),
      jsonOrNull(error),
      when,
      id,
    );
    this.#history.state(id, to, when, reason ?? error?.message);
    return row;
  }

  /** It runs; and so it was delivered, whose acknowledgement may be on its way still. */
  begun(id: string, at: number): void {
    const [queued] = this.#sql.run(`SELECT 1 FROM commands WHERE id = ? AND state = 'queued'`, id);
    if (queued !== undefined) this.move(id, 'delivered', at);
    this.move(id, 'running', at);
  }

  milestone(id: string, milestone: string, at: number, detail: string | undefined): void {
    if (this.#row(id) !== undefined) this.#history.milestone(id, milestone, at, detail);
  }

  /** @returns the command that this ended; undefined when it had ended before: a second result changes nothing */
  end({ commandId, state, at, result, error, reason }: CommandResult): EndedCommand | undefined {
    const row = this.#move(commandId, state, at, {
      result,
      ...(error === undefined ? {} : { error }),
      ...(reason === undefined ? {} : { reason }),
    });
    if (row === undefined) return undefined;
    return {
      type: commandType.parse(row['type']),
      siteId: text(row, 'site_id'),
      ...(row['generation'] === null ? {} : { generation: int(row, 'generation') }),
    };
  }

  /** The orchestrator has committed these positions. */
  delivered(fromSeq: number, toSeq: number): void {
    const at = this.#now();
    const rows = this.#sql.run(
      `SELECT id FROM commands WHERE seq BETWEEN ? AND ? AND state = 'queued'`,
      fromSeq,
      toSeq,
    );
    for (const row of rows) this.move(text(row, 'id'), 'delivered', at);
  }

  /** One whose row another object has had: D1 is told, and dashboards. In the caller's transaction. */
  arrive(id: string, reason: string): void {
    const at = this.#now();
    this.#touch(id);
    this.#sql.run(
      `UPDATE commands SET updated_at = MAX(updated_at, ?), version = version + 1 WHERE id = ?`,
      at,
      id,
    );
    this.#history.state(id, 'queued', at, reason);
  }

  /** It is another object's from here on, which tells of it. In the caller's transaction. */
  forget(id: string): void {
    this.#sql.run(`DELETE FROM commands WHERE id = ?`, id);
    this.#sql.run(`DELETE FROM command_history WHERE command_id = ?`, id);
  }

  /** The command's entry is another one now. */
  moveTo(id: string, seq: number): void {
    this.#sql.run(`UPDATE commands SET seq = ? WHERE id = ?`, seq, id);
  }

  /** Throws `Failure('not_found')`. */
  position(id: string): { state: CommandState; seq: number } {
    const row = this.#existing(id);
    return { state: commandState.parse(row['state']), seq: int(row, 'seq') };
  }

  /** Throws `Failure('not_found')`. */
  get(id: string): Command {
    const row = this.#existing(id);
    const error = row['error'] === null ? undefined : commandError.parse(JSON.parse(text(row, 'error')));
    return {
      id,
      type: commandType.parse(row['type']),
      subject: text(row, 'subject'),
      siteId: text(row, 'site_id'),
      orchestratorId: this.#orchestratorId,
      state: commandState.parse(row['state']),
      ...(row['reason'] === null ? {} : { reason: text(row, 'reason') }),
      ...(row['result'] === null ? {} : { result: json.parse(JSON.parse(text(row, 'result'))) }),
      ...(error === undefined ? {} : { error }),
      createdAt: int(row, 'created_at'),
      ...(row['expires_at'] === null ? {} : { expiresAt: int(row, 'expires_at') }),
      createdBy: text(row, 'created_by'),
      ...this.#history.of(id),
    };
  }

  #row(id: string): SqlRow | undefined {
    return this.#sql.run(`SELECT * FROM commands WHERE id = ?`, id)[0];
  }

  #existing(id: string): SqlRow {
    const row = this.#row(id);
    if (row === undefined) throw new Failure('not_found', `no command "${id}"`);
    return row;
  }
}

const jsonOrNull = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

const taken = (row: SqlRow): Taken => ({
  commandId: text(row, 'id'),
  state: commandState.parse(row['state']),
  ...(row['generation'] == null ? {} : { generation: int(row, 'generation') }),
});
