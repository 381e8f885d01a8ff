import { Failure, type OrchestratorKey } from '@clawdbot/protocol';
import { queried } from './query.ts';

/** A revoked key of which not all objects were told. */
export interface KeyToCut {
  readonly kid: string;
  readonly orchestratorId: string;
  readonly lanes: number;
}

type Row = { readonly [K in keyof OrchestratorKey]: OrchestratorKey[K] | null };

const COLUMNS = `kid, state, created_at AS createdAt, revoked_at AS revokedAt, revoked_by AS revokedBy, cut_at AS cutAt`;

/** The keys of one orchestrator. */
export class OrchestratorKeys {
  readonly #db: D1Database;
  readonly #orchestratorId: string;

  constructor(db: D1Database, orchestratorId: string) {
    this.#db = db;
    this.#orchestratorId = orchestratorId;
  }

  /** In the order in which they were enrolled. */
  async list(): Promise<OrchestratorKey[]> {
    const { results } = await queried(
      this.#db
        .prepare(
          `SELECT ${COLUMNS} FROM orc_orchestrator_keys WHERE orchestrator_id = ? ORDER BY created_at, kid`,
        )
        .bind(this.#orchestratorId)
        .all<Row>(),
    );
    return results.map(keyOf);
  }

  /** For good. Who revoked it first stays; its objects are to be told once more. Throws `not_found`. */
  async revoke(kid: string, by: string, nowMs: number): Promise<void> {
    const { results } = await queried(
      this.#db
        .prepare(
          `UPDATE orc_orchestrator_keys SET state = 'revoked', cut_at = NULL,
             revoked_at = COALESCE(revoked_at, ?), revoked_by = COALESCE(revoked_by, ?)
           WHERE orchestrator_id = ? AND kid = ? RETURNING kid`,
        )
        .bind(nowMs, by, this.#orchestratorId, kid)
        .all(),
    );
    if (results.length === 0) throw new Failure('not_found', `${this.#orchestratorId} has no key "${kid}"`);
  }
}

/** Without the members that are not set. */
const keyOf = (row: Row): OrchestratorKey =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as OrchestratorKey;

export async function keysToCut(db: D1Database, limit: number): Promise<KeyToCut[]> {
  const { results } = await queried(
    db
      .prepare(
        `SELECT k.kid, o.id AS orchestratorId, o.lanes FROM orc_orchestrator_keys k
         JOIN orc_orchestrators o ON o.id = k.orchestrator_id
         WHERE k.state = 'revoked' AND k.cut_at IS NULL LIMIT ?`,
      )
      .bind(limit)
      .all<KeyToCut>(),
  );
  return results;
}

/** All objects were told. */
export async function noteCut(db: D1Database, kid: string, nowMs: number): Promise<void> {
  const sql = `UPDATE orc_orchestrator_keys SET cut_at = ? WHERE kid = ? AND state = 'revoked'`;
  await queried(db.prepare(sql).bind(nowMs, kid).run());
}
