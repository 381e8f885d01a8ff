import {
  type DeployResult,
  type DeployWorker,
  type Sql,
  type SqlRow,
  type WorkerStatus,
  workerStatus,
} from '@clawdbot/protocol';
import type { Events, NewEvent } from '../sync/index.ts';

type State = 'intended' | 'uploaded' | 'deployed' | 'succeeded' | 'failed';
interface Progress {
  readonly state: State;
  readonly versionId?: string;
}

const optional = (row: SqlRow, column: string): string | undefined => {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
};

/** What this orchestrator intends and knows of its deployments and Workers: the tables that outlive a crash. */
export class Records {
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #events: Pick<Events, 'record'>;

  constructor(sql: Sql, now: () => number, events: Pick<Events, 'record'>) {
    this.#sql = sql;
    this.#now = now;
    this.#events = events;
  }

  /** Runs before the first call to Cloudflare. `said` tells of it, in the same transaction, the first time. */
  intend({ commandId, name, siteId }: DeployWorker, said: () => void): Progress {
    return this.#sql.transaction(() => {
      const known = this.#sql.run(
        `SELECT state, version_id FROM deployments WHERE command_id = ?`,
        commandId,
      )[0];
      if (known !== undefined) return progressOf(known);
      this.#sql.run(
        `INSERT INTO deployments (command_id, name, site_id, state, started_at) VALUES (?, ?, ?, 'intended', ?)`,
        commandId,
        name,
        siteId,
        this.#now(),
      );
      this.#sql.run(
        `INSERT INTO workers (name, site_id, state, at) VALUES (?1, ?2, 'deploying', ?3)
         ON CONFLICT (name) DO UPDATE SET site_id = ?2, state = 'deploying', at = ?3`,
        name,
        siteId,
        this.#now(),
      );
      said();
      return { state: 'intended' };
    });
  }

  uploaded(commandId: string, versionId: string, said: () => void): void {
    this.#sql.transaction(() => {
      this.#sql.run(
        `UPDATE deployments SET state = 'uploaded', version_id = ? WHERE command_id = ?`,
        versionId,
        commandId,
      );
      said();
    });
  }

  /** From here on this version serves, whatever becomes of the command. */
  deployed({ commandId, name }: DeployWorker, served: Omit<DeployResult, 'proof'>, said: () => void): void {
    this.#sql.transaction(() => {
      this.#sql.run(
        `UPDATE deployments SET deployment_id = ?, state = CASE state WHEN 'succeeded' THEN state ELSE 'deployed' END
         WHERE command_id = ?`,
        served.deploymentId,
        commandId,
      );
      this.#sql.run(
        `UPDATE workers SET url = ?, version_id = ?, deployment_id = ?, proof = 'accepted' WHERE name = ?`,
        served.url,
        served.versionId,
        served.deploymentId,
        name,
      );
      said();
    });
  }

  succeeded({ commandId, name, siteId }: DeployWorker, result: DeployResult, said: () => void): void {
    this.#sql.transaction(() => {
      if (this.#end(commandId, 'succeeded')) {
        this.#event(siteId, { status: 'deployed', name, commandId, ...result });
      }
      this.#sql.run(
        `INSERT INTO workers (name, site_id, url, version_id, deployment_id, proof, state, at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'deployed', ?7)
         ON CONFLICT (name) DO UPDATE SET site_id = ?2, url = ?3, version_id = ?4, deployment_id = ?5,
           proof = ?6, state = 'deployed', at = ?7`,
        name,
        siteId,
        result.url,
        result.versionId,
        result.deploymentId,
        result.proof,
        this.#now(),
      );
      said();
    });
  }

  /** The Worker keeps the version it had, and is deployed: that one still serves. Without one it has failed. */
  failed({ commandId, name, siteId }: DeployWorker, error: string): void {
    this.#sql.transaction(() => {
      const ended = this.#end(commandId, 'failed');
      if (ended !== undefined) {
        this.#event(siteId, {
          status: 'failed',
          name,
          commandId,
          ...ended,
          error: error.slice(0, ERROR_CHARS_MAX),
        });
      }
      this.#sql.run(
        `UPDATE workers SET state = CASE WHEN version_id IS NULL THEN 'failed' ELSE 'deployed' END, at = ?
         WHERE name = ?`,
        this.#now(),
        name,
      );
    });
  }

  workers(siteId?: string): WorkerStatus[] {
    const rows =
      siteId === undefined
        ? this.#sql.run(`SELECT * FROM workers ORDER BY name`)
        : this.#sql.run(`SELECT * FROM workers WHERE site_id = ? ORDER BY name`, siteId);
    return rows.map(statusOf);
  }

  /** @returns how far it had come; undefined when it has ended so before, in a run that was cut off behind it */
  #end(commandId: string, state: State): { versionId?: string; deploymentId?: string } | undefined {
    const [row] = this.#sql.run(
      `UPDATE deployments SET state = ?1, ended_at = ?2 WHERE command_id = ?3 AND state <> ?1
       RETURNING version_id, deployment_id`,
      state,
      this.#now(),
      commandId,
    );
    if (row === undefined) return undefined;
    const [versionId, deploymentId] = [optional(row, 'version_id'), optional(row, 'deployment_id')];
    return { ...(versionId && { versionId }), ...(deploymentId && { deploymentId }) };
  }

  #event(siteId: string, data: NewEvent['data']): void {
    this.#events.record({ type: 'worker_deployment', siteId, data });
  }
}

/** Of a failure's reason: Cloudflare's own words may be long. */
const ERROR_CHARS_MAX = 2_000;
const STATES: readonly State[] = ['intended', 'uploaded', 'deployed', 'succeeded', 'failed'];

function progressOf(row: SqlRow): Progress {
  const versionId = optional(row, 'version_id');
  const state = STATES.find((known) => known === row['state']) ?? 'intended';
  return { state, ...(versionId === undefined ? {} : { versionId }) };
}

const statusOf = (row: SqlRow): WorkerStatus =>
  workerStatus.parse({
    name: row['name'],
    siteId: optional(row, 'site_id'),
    url: optional(row, 'url'),
    versionId: optional(row, 'version_id'),
    proof: optional(row, 'proof'),
    state: row['state'],
    at: row['at'],
  });
