import {
  type CommandResult,
  deployResult,
  digestOf,
  int,
  type Sql,
  text,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { ConfigReports } from './config-reports.ts';
import type { Configs } from './configs.ts';

/** An orchestrator of an earlier version has no receipts. */
const anyResult = deployResult.omit({ receipts: true });

/** The variables that a deployed Worker carries. */
export interface Carried {
  readonly worker: string;
  /** Of the config whose variables they are. */
  readonly generation: number;
  readonly digest: string;
  readonly versionId: string;
  readonly proof: WorkerStatus['proof'];
  readonly at: number;
}

export interface WorkerVarsParts {
  readonly sql: Sql;
  readonly configs: Pick<Configs, 'at'>;
  readonly reports: Pick<ConfigReports, 'running' | 'lastGood'>;
}

/**
 * Which config's `worker.vars` each deployed Worker carries. A deployment takes them from the config that runs when it
 * begins. The orchestrator tells of both in one log, so that the last good config here, when the beginning comes, is
 * never newer than the one that was taken; a status may overtake that log, or tell of a restored database.
 */
export class WorkerVars {
  readonly #parts: WorkerVarsParts;

  constructor(parts: WorkerVarsParts) {
    this.#parts = parts;
  }

  /** A command runs, in the caller's transaction. One that begins again may have uploaded before: the first counts. */
  begun(commandId: string): void {
    const [command] = this.#parts.sql.run(
      `SELECT site_id, subject FROM commands WHERE id = ? AND type = 'deploy_worker'`,
      commandId,
    );
    if (command === undefined) return;
    const siteId = text(command, 'site_id');
    const generation = this.#taken(siteId);
    const vars = this.#parts.configs.at(siteId, generation)?.config.worker.vars ?? {};
    this.#parts.sql.run(
      `INSERT OR IGNORE INTO worker_vars (command_id, site_id, worker, generation, digest) VALUES (?, ?, ?, ?, ?)`,
      commandId,
      siteId,
      text(command, 'subject'),
      generation,
      digestOf(vars),
    );
  }

  /** It has ended, in the caller's transaction: of a Worker the last that succeeded counts. */
  ended({ commandId, state, result, at }: CommandResult): void {
    const deployed = state === 'succeeded' ? anyResult.safeParse(result).data : undefined;
    if (deployed === undefined) {
      this.#parts.sql.run(`DELETE FROM worker_vars WHERE command_id = ?`, commandId);
      return;
    }
    this.#parts.sql.run(
      `UPDATE worker_vars SET version_id = ?, proof = ?, ended_at = ? WHERE command_id = ?`,
      deployed.versionId,
      deployed.proof,
      at,
      commandId,
    );
    this.#parts.sql.run(
      `DELETE FROM worker_vars WHERE ended_at IS NOT NULL AND command_id <> ?1
         AND (site_id, worker) IN (SELECT site_id, worker FROM worker_vars WHERE command_id = ?1)`,
      commandId,
    );
  }

  of(siteId: string): Carried[] {
    return this.#parts.sql
      .run(`SELECT * FROM worker_vars WHERE site_id = ? AND ended_at IS NOT NULL ORDER BY worker`, siteId)
      .map((row) => ({
        worker: text(row, 'worker'),
        generation: int(row, 'generation'),
        digest: text(row, 'digest'),
        versionId: text(row, 'version_id'),
        proof: deployResult.shape.proof.parse(row['proof']),
        at: int(row, 'ended_at'),
      }));
  }

  #taken(siteId: string): number {
    const { reports } = this.#parts;
    const lastGood = reports.lastGood(siteId)?.generation ?? 0;
    return Math.min(lastGood, reports.running(siteId)?.generation ?? lastGood);
  }
}
