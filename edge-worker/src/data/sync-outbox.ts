import { z } from 'zod';
import { queried } from './query.ts';

/** A shared row as it is now, or as it is no more. */
export interface SharedRow {
  readonly position: number;
  readonly table: string;
  readonly key: string;
  /** Absent: deleted, or another organisation's now. */
  readonly row?: Record<string, z.core.util.JSONType>;
}

/** Rows read at a time: at most 64 KiB each of an object's 128 MB. */
const ROWS = 200;

const columns = z.record(z.string(), z.json());

interface Row {
  readonly position: number;
  readonly table_name: string;
  readonly key: string;
  readonly row: string | null;
  readonly characters: number;
}

/** What the triggers on the existing API's tables have left for one organisation's orchestrators. */
export class SyncOutbox {
  readonly #db: D1Database;
  readonly #orgId: string;

  constructor(db: D1Database, orgId: string) {
    this.#db = db;
    this.#orgId = orgId;
  }

  /**
   * The oldest changes behind a position. D1 has one writer, which gives positions in the order of its commits: no
   * smaller one appears later. A row of more than `charactersMax` comes as `{ position, table, key, tooLarge }`.
   */
  async behind(
    position: number,
    charactersMax: number,
  ): Promise<(SharedRow & { readonly tooLarge: boolean })[]> {
    const { results } = await queried(
      this.#db
        .prepare(
          `SELECT position, table_name, key, length(row) AS characters, iif(length(row) <= ?, row, NULL) AS row
           FROM orc_sync_outbox WHERE org_id = ? AND position > ? ORDER BY position LIMIT ?`,
        )
        .bind(charactersMax, this.#orgId, position, ROWS)
        .all<Row>(),
    );
    return results.map((found) => ({
      position: found.position,
      table: found.table_name,
      key: found.key,
      tooLarge: found.characters > charactersMax,
      ...(found.row === null ? {} : { row: columns.parse(JSON.parse(found.row)) }),
    }));
  }

  /** Writes down how far an orchestrator's log has these, for the cron. */
  async note(orchestratorId: string, position: number, skipped: number, at: number): Promise<void> {
    await queried(
      this.#db
        .prepare(
          `INSERT INTO orc_sync_positions (orchestrator_id, position, skipped, at) VALUES (?, ?, ?, ?)
           ON CONFLICT (orchestrator_id) DO UPDATE SET
             position = excluded.position, skipped = excluded.skipped, at = excluded.at`,
        )
        .bind(orchestratorId, position, skipped, at)
        .run(),
    );
  }
}

/** Orchestrators that lack changes of their organisation's shared rows: at most `limit`, any of them. */
export async function orchestratorsBehind(
  db: D1Database,
  limit: number,
): Promise<{ id: string; orgId: string }[]> {
  const { results } = await queried(
    db
      .prepare(
        `SELECT o.id, o.org_id AS orgId FROM orc_orchestrators o LEFT JOIN orc_sync_positions p ON p.orchestrator_id = o.id
         WHERE (SELECT MAX(position) FROM orc_sync_outbox s WHERE s.org_id = o.org_id) > coalesce(p.position, 0)
         ORDER BY random() LIMIT ?`,
      )
      .bind(limit)
      .all<{ id: string; orgId: string }>(),
  );
  return results;
}
