import {
  type AdoptWorker,
  adoptWorker,
  type DeployWorker,
  deployWorker,
  explain,
  int,
  type RollbackWorker,
  rollbackWorker,
  type Sql,
  type SqlRow,
  text,
  type UpdateConfig,
  updateConfig,
} from '@clawdbot/protocol';
import { z } from 'zod';
import { type Outcome, outcome } from './outcome.ts';

/** What brings a version of a Worker its traffic, or takes one over with what it has: one at a time for each Worker. */
export type Deployment = DeployWorker | RollbackWorker | AdoptWorker;
export type CommandBody = Deployment | UpdateConfig;

const deployment = z.discriminatedUnion('type', [deployWorker, rollbackWorker, adoptWorker]);
const DEPLOYMENTS = `('deploy_worker', 'rollback_worker', 'adopt_worker')`;

/** Where a command came from: its place in the edge's log, or this machine. */
export type Origin = { readonly logId: string; readonly seq: number } | 'local';

/** A row's place in the system: enough to end it. */
export interface CommandRow {
  readonly id: string;
  readonly origin: 'edge' | 'local';
}

/** A command that has not ended. */
export interface OpenCommand<Body extends CommandBody = CommandBody> extends CommandRow {
  readonly body: Body;
  readonly key: string;
  /** A run has begun before, in this process or an earlier one. */
  readonly started: boolean;
  readonly attempts: number;
  readonly cancelReason: string | undefined;
}

/** One that an earlier version has taken, and that this version cannot read. */
export interface UnreadableCommand extends CommandRow {
  readonly unreadable: string;
}

const SITE = 'site ';
/** What must not be touched by two commands at once: a Worker, or a site's config. */
const keyOf = (body: CommandBody): string =>
  body.type === 'update_config' ? `${SITE}${body.siteId}` : `worker ${workerOf(body)}`;
const workerOf = (body: Deployment): string =>
  body.type === 'deploy_worker' && body.dispatchNamespace !== undefined
    ? `${body.dispatchNamespace}/${body.name}`
    : body.name;

/** The `commands` table. What it writes belongs to the caller's transaction. */
export class CommandTable {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /** @returns false when a command with this id is there already: then nothing was written */
  insert(body: CommandBody, origin: Origin): boolean {
    const { logId, seq } = origin === 'local' ? { logId: null, seq: null } : origin;
    const rows = this.#sql.run(
      `INSERT OR IGNORE INTO commands (id, type, site_id, key, origin, log_id, seq, body, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      body.commandId,
      body.type,
      body.siteId,
      keyOf(body),
      origin === 'local' ? 'local' : 'edge',
      logId,
      seq,
      JSON.stringify(body),
      this.#now(),
    );
    return rows.length > 0;
  }

  /**
   * The oldest open deployment whose key is none of `busy` and that no older open command holds back: one of the
   * same key, or an edit of its site's config, whose variables it must carry.
   */
  nextDeployment(busy: readonly string[]): OpenCommand<Deployment> | UnreadableCommand | undefined {
    const [row] = this.#sql.run(
      `SELECT * FROM commands AS deployment
       WHERE state <> 'done' AND type IN ${DEPLOYMENTS} AND key NOT IN (SELECT value FROM json_each(?))
         AND NOT EXISTS (
           SELECT 1 FROM commands AS older
           WHERE older.state <> 'done' AND older.position < deployment.position
             AND older.key IN (deployment.key, ? || deployment.site_id))
       ORDER BY position LIMIT 1`,
      JSON.stringify(busy),
      SITE,
    );
    return row === undefined ? undefined : openCommand(row, deployment);
  }

  /** Deployments of these keys that have not begun, with a newer one of the same site behind them. */
  overtaken(busy: readonly string[]): CommandRow[] {
    return this.#sql
      .run(
        `SELECT id, origin FROM commands AS older
         WHERE state = 'pending' AND type IN ${DEPLOYMENTS} AND key IN (SELECT value FROM json_each(?))
           AND cancel_reason IS NULL AND EXISTS (
             SELECT 1 FROM commands AS newer
             WHERE newer.key = older.key AND newer.state = 'pending' AND newer.position > older.position
               AND newer.site_id = older.site_id AND newer.cancel_reason IS NULL)`,
        JSON.stringify(busy),
      )
      .map(rowOf);
  }

  /** Deployments of this key that have not begun, and of which it was not told yet that they wait. */
  waiting(key: string): CommandRow[] {
    return this.#sql
      .run(
        `SELECT id, origin FROM commands
         WHERE state = 'pending' AND type IN ${DEPLOYMENTS} AND key = ? AND waits_for IS NULL
           AND cancel_reason IS NULL`,
        key,
      )
      .map(rowOf);
  }

  waits(id: string, forId: string): void {
    this.#sql.run(`UPDATE commands SET waits_for = ? WHERE id = ?`, forId, id);
  }

  /** What it did is kept: runs that end in a crash are counted anew from here. */
  progressed(id: string): void {
    this.#sql.run(`UPDATE commands SET attempts = 0 WHERE id = ? AND state = 'running'`, id);
  }

  /** The oldest open config updates, in their order. */
  configs(limit: number): (OpenCommand<UpdateConfig> | UnreadableCommand)[] {
    return this.#sql
      .run(
        `SELECT * FROM commands WHERE state <> 'done' AND type = 'update_config' ORDER BY position LIMIT ?`,
        limit,
      )
      .map((row) => openCommand(row, updateConfig));
  }

  /** @returns the attempt's number, from 1 */
  begin(id: string): number {
    const [row] = this.#sql.run(
      `UPDATE commands SET state = 'running', started_at = COALESCE(started_at, ?), attempts = attempts + 1
       WHERE id = ? AND state <> 'done' RETURNING attempts`,
      this.#now(),
      id,
    );
    return int(row, 'attempts');
  }

  /** @returns false when it had ended already */
  end(id: string, ended: Outcome): boolean {
    const rows = this.#sql.run(
      `UPDATE commands SET state = 'done', ended_at = ?, outcome = ? WHERE id = ? AND state <> 'done'
       RETURNING id`,
      this.#now(),
      JSON.stringify(ended),
      id,
    );
    return rows.length > 0;
  }

  /** How a command ended, as it was written; undefined while it is open or when it is unknown. */
  outcome(id: string): Outcome | undefined {
    const [row] = this.#sql.run(`SELECT outcome FROM commands WHERE id = ? AND state = 'done'`, id);
    return row === undefined ? undefined : outcome.parse(JSON.parse(text(row, 'outcome')));
  }

  /** Asks for an open command to be stopped; the first reason stays. */
  requestCancel(id: string, reason: string): void {
    this.#sql.run(
      `UPDATE commands SET cancel_reason = COALESCE(cancel_reason, ?) WHERE id = ? AND state <> 'done'`,
      reason,
      id,
    );
  }

  /** Asks for all open commands of a site to be stopped. */
  requestCancelOfSite(siteId: string, reason: string): void {
    this.#sql.run(
      `UPDATE commands SET cancel_reason = COALESCE(cancel_reason, ?) WHERE site_id = ? AND state <> 'done'`,
      reason,
      siteId,
    );
  }

  /** Those whose stop was asked for and that have not ended: id and reason. */
  cancelRequests(): Map<string, string> {
    const rows = this.#sql.run(
      `SELECT id, cancel_reason FROM commands WHERE state <> 'done' AND cancel_reason IS NOT NULL`,
    );
    return new Map(rows.map((row) => [text(row, 'id'), text(row, 'cancel_reason')]));
  }

  /** Forgets what ended before `endedBefore`. @returns rows deleted */
  prune(endedBefore: number): number {
    return this.#sql.run(
      `DELETE FROM commands WHERE state = 'done' AND ended_at < ? RETURNING position`,
      endedBefore,
    ).length;
  }
}

const rowOf = (row: SqlRow): CommandRow => ({
  id: text(row, 'id'),
  origin: text(row, 'origin') === 'local' ? 'local' : 'edge',
});

function openCommand<Body extends CommandBody>(
  row: SqlRow,
  schema: z.ZodType<Body>,
): OpenCommand<Body> | UnreadableCommand {
  const { id, origin } = rowOf(row);
  const body = schema.safeParse(JSON.parse(text(row, 'body')));
  if (!body.success) return { id, origin, unreadable: explain(body.error) };
  return {
    id,
    origin,
    body: body.data,
    key: text(row, 'key'),
    started: row['started_at'] !== null,
    attempts: int(row, 'attempts'),
    cancelReason: row['cancel_reason'] === null ? undefined : text(row, 'cancel_reason'),
  };
}
