import {
  type CommandState,
  type CommandType,
  commandState,
  commandType,
  int,
  type Sql,
  text,
} from '@clawdbot/protocol';

/** A command as lists show it, with the version that guards its projection. */
export interface CommandFact {
  readonly id: string;
  readonly siteId: string;
  readonly type: CommandType;
  readonly subject: string;
  readonly state: CommandState;
  readonly reason: string | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
  readonly error: string | null;
  readonly version: number;
}

/** What D1 is to be told of commands. */
export class CommandFacts {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Facts that D1 does not show yet, oldest first. */
  unprojected(limit: number): CommandFact[] {
    return this.#sql
      .run(`SELECT * FROM commands WHERE version > projected ORDER BY id LIMIT ?`, limit)
      .map((row) => ({
        id: text(row, 'id'),
        siteId: text(row, 'site_id'),
        type: commandType.parse(row['type']),
        subject: text(row, 'subject'),
        state: commandState.parse(row['state']),
        reason: row['reason'] === null ? null : text(row, 'reason'),
        createdBy: text(row, 'created_by'),
        createdAt: int(row, 'created_at'),
        updatedAt: int(row, 'updated_at'),
        expiresAt: row['expires_at'] === null ? null : int(row, 'expires_at'),
        error: row['error'] === null ? null : text(row, 'error'),
        version: int(row, 'version'),
      }));
  }

  projected(facts: readonly CommandFact[]): void {
    for (const { id, version } of facts) {
      this.#sql.run(`UPDATE commands SET projected = MAX(projected, ?) WHERE id = ?`, version, id);
    }
  }
}
