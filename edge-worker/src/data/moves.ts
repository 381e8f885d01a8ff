import { type SiteMove, siteMove } from '@clawdbot/protocol';
import type { MoveFilter } from '@clawdbot/protocol/routes';
import { type Page, pageOf, parseTimeCursor, timeCursor } from './cursor.ts';
import { queried } from './query.ts';

interface Row {
  readonly id: string;
  readonly site_id: string;
  readonly source: string;
  readonly target: string;
  readonly state: string;
  readonly reason: string | null;
  readonly receipts: number;
  readonly commands: number;
  readonly workers: number;
  readonly paused_ms: number | null;
  readonly created_by: string;
  readonly created_at: number;
  readonly updated_at: number;
}

/** An organisation's moves, newest first, behind `after`. */
export async function listMoves(
  db: D1Database,
  orgId: string,
  { limit, after, site }: MoveFilter,
): Promise<Page<SiteMove>> {
  const { at, id } = after === undefined ? { at: Number.MAX_SAFE_INTEGER, id: '' } : parseTimeCursor(after);
  const { results } = await queried(
    db
      .prepare(
        `SELECT * FROM orc_moves WHERE org_id = ?1 AND (created_at, id) < (?2, ?3) AND (?4 IS NULL OR site_id = ?4)
         ORDER BY created_at DESC, id DESC LIMIT ?5`,
      )
      .bind(orgId, at, id, site ?? null, limit + 1)
      .all<Row>(),
  );
  return pageOf(results.map(moveOf), limit, (move) => timeCursor({ at: move.createdAt, id: move.id }));
}

const moveOf = (row: Row): SiteMove =>
  siteMove.parse({
    id: row.id,
    siteId: row.site_id,
    from: row.source,
    to: row.target,
    state: row.state,
    ...(row.reason === null ? {} : { reason: row.reason }),
    receipts: row.receipts,
    commands: row.commands,
    workers: row.workers,
    ...(row.paused_ms === null ? {} : { pausedMs: row.paused_ms }),
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  });
