import {
  type CommandSummary,
  commandError,
  commandState,
  commandType,
  int,
  type Sql,
  type SqlRow,
  text,
} from '@clawdbot/protocol';

/** Open commands that a dashboard is told of; `queues` tells how many there are. */
const OPEN_MAX = 1_000;
const ENDED_MAX = 50;

/** What dashboards are told of commands. */
export class CommandNews {
  readonly #sql: Sql;
  readonly #orchestratorId: string;

  constructor(sql: Sql, orchestratorId: string) {
    this.#sql = sql;
    this.#orchestratorId = orchestratorId;
  }

  /** Those that are open, and those that ended last. */
  all(): CommandSummary[] {
    // Those without a place in the log were another object's, and came along with their site.
    const ended = this.#summaries(
      `state NOT IN ${OPEN} AND seq > 0 ORDER BY updated_at DESC, id DESC LIMIT ?`,
      ENDED_MAX,
    );
    return [...ended, ...this.#summaries(`state IN ${OPEN} ORDER BY id DESC LIMIT ?`, OPEN_MAX)];
  }

  of(ids: readonly string[]): CommandSummary[] {
    return this.#summaries(`id IN (SELECT value FROM json_each(?))`, JSON.stringify(ids));
  }

  #summaries(where: string, param: string | number): CommandSummary[] {
    return this.#sql
      .run(`SELECT * FROM commands WHERE ${where}`, param)
      .map((row) => summaryOf(row, this.#orchestratorId));
  }
}

const OPEN = `('queued', 'delivered', 'running')`;

const summaryOf = (row: SqlRow, orchestratorId: string): CommandSummary => ({
  id: text(row, 'id'),
  type: commandType.parse(row['type']),
  subject: text(row, 'subject'),
  siteId: text(row, 'site_id'),
  orchestratorId,
  state: commandState.parse(row['state']),
  ...(row['reason'] === null ? {} : { reason: text(row, 'reason') }),
  ...(row['error'] === null ? {} : { error: commandError.parse(JSON.parse(text(row, 'error'))) }),
  createdAt: int(row, 'created_at'),
  updatedAt: int(row, 'updated_at'),
  ...(row['expires_at'] === null ? {} : { expiresAt: int(row, 'expires_at') }),
  createdBy: text(row, 'created_by'),
});
