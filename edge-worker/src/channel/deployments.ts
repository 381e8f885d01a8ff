import {
  type CommandState,
  commandError,
  commandState,
  type Deployment,
  deployment,
  int,
  type LookedAt,
  lookedAt,
  type Sql,
  type SqlRow,
  type SyncEvent,
  text,
} from '@clawdbot/protocol';
import type { DeploymentPage, DeploymentQuery } from './rpc.ts';

interface Asked {
  readonly commandId: string;
  readonly siteId: string;
  readonly type: Deployment['type'];
  readonly name: string;
}

/** A Worker as the end of its deployment tells of it. */
interface Told {
  readonly name: string;
  readonly versionId: string;
  readonly lookedAt: LookedAt | undefined;
}

/** What a deployment that was given on the VPS is called by its last event; its command is not known here. */
const STATES: Readonly<Record<string, CommandState>> = {
  shifting: 'running',
  deployed: 'succeeded',
  adopted: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
};

/** Of another shape, by an orchestrator of another version, it is none. */
const lookedAtIn = ({ looked }: SqlRow): LookedAt | undefined =>
  typeof looked === 'string' ? lookedAt.safeParse(JSON.parse(looked)).data : undefined;

/** Every deployment of this orchestrator, with the latest that it has told of each. */
export class Deployments {
  readonly #sql: Sql;
  readonly #orchestratorId: string;

  constructor(sql: Sql, orchestratorId: string) {
    this.#sql = sql;
    this.#orchestratorId = orchestratorId;
  }

  /** In the transaction of the command. */
  asked({ commandId, siteId, type, name }: Asked): void {
    this.#sql.run(
      `INSERT INTO deployments (command_id, site_id, type, name) VALUES (?, ?, ?, ?)
       ON CONFLICT (command_id) DO NOTHING`,
      commandId,
      siteId,
      type,
      name,
    );
  }

  /** In the transaction of the event. One that comes again, or says too little, changes nothing. */
  told({ siteId, data, createdAt }: SyncEvent): void {
    const { commandId, name } = data;
    if (typeof commandId !== 'string' || typeof name !== 'string') return;
    this.#sql.run(
      `INSERT INTO deployments (command_id, site_id, type, name, told, told_at) VALUES (?, ?, 'deploy_worker', ?, ?, ?)
       ON CONFLICT (command_id) DO UPDATE SET told = excluded.told, told_at = excluded.told_at
         WHERE excluded.told_at >= COALESCE(deployments.told_at, 0)`,
      commandId,
      siteId,
      name,
      JSON.stringify(data),
      Date.parse(createdAt),
    );
  }

  /**
   * What of a site's Workers is newly deployed since then, by the clock of the orchestrator that tells it here: of each
   * Worker the newest. Rows that came along with the site tell the time of another one, and have no place in its log.
   */
  since(siteId: string, at: number): Told[] {
    const rows = this.#sql.run(
      `SELECT d.name, d.told ->> 'versionId' AS version, d.told -> 'lookedAt' AS looked, MAX(d.told_at)
       FROM deployments d LEFT JOIN commands c ON c.id = d.command_id
       WHERE d.site_id = ? AND d.told_at >= ? AND d.told ->> 'status' IN ('deployed', 'adopted')
         AND d.told ->> 'versionId' IS NOT NULL AND COALESCE(c.seq, 1) > 0
       GROUP BY d.name ORDER BY d.name`,
      siteId,
      at,
    );
    return rows.map((row) => ({
      name: text(row, 'name'),
      versionId: text(row, 'version'),
      lookedAt: lookedAtIn(row),
    }));
  }

  /** It is another object's. In the caller's transaction. */
  forget(commandId: string): void {
    this.#sql.run(`DELETE FROM deployments WHERE command_id = ?`, commandId);
  }

  /** Newest first: by the time in their ids, which name the orchestrators that a site was on. */
  list({ limit, after, site, name }: DeploymentQuery): DeploymentPage {
    const rows = this.#sql.run(
      `SELECT d.command_id AS id, d.site_id AS site, d.type AS kind, d.name, d.told, d.told_at,
         c.state, c.reason, c.error, c.created_at, c.created_by, c.updated_at
       FROM deployments d LEFT JOIN commands c ON c.id = d.command_id
       WHERE (?1 IS NULL OR substr(d.command_id, -22) < substr(?1, -22)) AND (?2 IS NULL OR d.site_id = ?2) AND (?3 IS NULL OR d.name = ?3)
       ORDER BY substr(d.command_id, -22) DESC LIMIT ?4`,
      after ?? null,
      site ?? null,
      name ?? null,
      limit + 1,
    );
    const items = rows.slice(0, limit).map((row) => this.#deploymentOf(row));
    return { items, next: rows.length > limit ? (items.at(-1)?.commandId ?? null) : null };
  }

  #deploymentOf(row: SqlRow): Deployment {
    const told: Record<string, unknown> = row['told'] === null ? {} : JSON.parse(text(row, 'told'));
    const error = row['error'] == null ? undefined : commandError.parse(JSON.parse(text(row, 'error')));
    // Told by an orchestrator of another version, it may be of another shape: then it is not shown.
    const shown = deployment.partial().catch({}).parse(told);
    return {
      ...shown,
      commandId: text(row, 'id'),
      type: deployment.shape.type.parse(row['kind']),
      name: text(row, 'name'),
      siteId: text(row, 'site'),
      orchestratorId: this.#orchestratorId,
      state:
        row['state'] == null
          ? (STATES[String(told['status'])] ?? 'running')
          : commandState.parse(row['state']),
      ...(row['reason'] == null ? {} : { reason: text(row, 'reason') }),
      ...(error === undefined ? {} : { error: error.message }),
      ...(row['created_by'] == null ? {} : { createdBy: text(row, 'created_by') }),
      ...(row['created_at'] == null ? {} : { createdAt: int(row, 'created_at') }),
      updatedAt: Math.max(Number(row['told_at'] ?? 0), Number(row['updated_at'] ?? 0)),
    };
  }
}
