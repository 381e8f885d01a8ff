import { Failure } from '@clawdbot/protocol';
import { type Page, pageOf } from './cursor.ts';
import { queried } from './query.ts';

/** An orchestrator as D1 knows it. */
export interface OrchestratorRow {
  readonly id: string;
  readonly lanes: number;
  readonly createdAt: number;
}

const COLUMNS = 'id, lanes, created_at AS createdAt';

/** The orchestrators of one organisation. */
export class Orchestrators {
  readonly #db: D1Database;
  readonly #orgId: string;

  constructor(db: D1Database, orgId: string) {
    this.#db = db;
    this.#orgId = orgId;
  }

  /** By id, behind `after`. */
  async list(limit: number, after = ''): Promise<Page<OrchestratorRow>> {
    const { results } = await queried(
      this.#db
        .prepare(`SELECT ${COLUMNS} FROM orc_orchestrators WHERE org_id = ? AND id > ? ORDER BY id LIMIT ?`)
        .bind(this.#orgId, after, limit + 1)
        .all<OrchestratorRow>(),
    );
    return pageOf(results, limit, ({ id }) => id);
  }

  /** Throws `not_found` on one that is not there or not this organisation's: the caller cannot tell which. */
  async get(id: string): Promise<OrchestratorRow> {
    const row = await queried(
      this.#db
        .prepare(`SELECT ${COLUMNS} FROM orc_orchestrators WHERE org_id = ? AND id = ?`)
        .bind(this.#orgId, id)
        .first<OrchestratorRow>(),
    );
    if (row === null) throw new Failure('not_found', `no orchestrator "${id}" in this organisation`);
    return row;
  }

  /** The one that is named or, when the organisation has one only, that one. `how` says how to name one. */
  async choose(id: string | undefined, how: string): Promise<OrchestratorRow> {
    if (id !== undefined) return this.get(id);
    const { items, next } = await this.list(5);
    const [only] = items;
    if (only === undefined) throw new Failure('not_found', 'this organisation has no orchestrator yet');
    if (items.length === 1) return only;
    const ids = items.map((row) => row.id).join(', ');
    throw new Failure(
      'bad_request',
      `${how}: expected one of this organisation's orchestrators (${ids}${next === null ? '' : ', …'})`,
    );
  }
}
