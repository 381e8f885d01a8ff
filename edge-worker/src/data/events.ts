import { type Event, event } from '@clawdbot/protocol';
import type { EventFilter } from '@clawdbot/protocol/routes';
import { type Page, pageOf, parsePositionCursor, positionCursor } from './cursor.ts';
import { queried } from './query.ts';

interface Row {
  readonly position: number;
  readonly id: string;
  readonly orchestrator_id: string;
  readonly site_id: string;
  readonly type: string;
  readonly data: string;
  readonly created_at: string;
  readonly received_at: number;
}

/**
 * One organisation's events, newest first or oldest first. Oldest first the list has no end: `next` is always there,
 * to ask again with. D1 has one writer, so no event ever appears behind a position that was read.
 */
export async function listEvents(db: D1Database, orgId: string, filter: EventFilter): Promise<Page<Event>> {
  const ascending = filter.order === 'asc';
  const where = ['org_id = ?'];
  const params: (string | number)[] = [orgId];
  for (const [condition, value] of [
    ['site_id = ?', filter.site],
    ['type = ?', filter.type],
    [
      `position ${ascending ? '>' : '<'} ?`,
      filter.after === undefined ? undefined : parsePositionCursor(filter.after),
    ],
  ] as const) {
    if (value === undefined) continue;
    where.push(condition);
    params.push(value);
  }
  const { results } = await queried(
    db
      .prepare(
        `SELECT * FROM orc_events WHERE ${where.join(' AND ')} ORDER BY position ${ascending ? 'ASC' : 'DESC'} LIMIT ?`,
      )
      .bind(...params, filter.limit + 1)
      .all<Row>(),
  );
  const { items, next } = pageOf(results, filter.limit, ({ position }) => positionCursor(position));
  const newest = items.at(-1)?.position;
  const onward = newest === undefined ? (filter.after ?? positionCursor(0)) : positionCursor(newest);
  return { items: items.map(eventOf), next: ascending ? onward : next };
}

function eventOf(row: Row): Event {
  return event.parse({
    id: row.id,
    type: row.type,
    orchestratorId: row.orchestrator_id,
    siteId: row.site_id,
    data: JSON.parse(row.data),
    createdAt: row.created_at,
    receivedAt: row.received_at,
    syncedToWorkers: true,
  });
}

/** Rows that one statement deletes: well within the 30 s that D1 gives it. */
const PRUNED_ROWS = 2_000;

/**
 * Deletes events that came before a time, the oldest first, `statements` × 2,000 of them at most. Looks at the oldest
 * rows only, since a scan for none to delete would read the whole table.
 */
export async function pruneEvents(db: D1Database, before: number, statements: number): Promise<void> {
  for (let left = statements; left > 0; left--) {
    const { meta } = await queried(
      db
        .prepare(
          `DELETE FROM orc_events WHERE received_at < ?
           AND position IN (SELECT position FROM orc_events ORDER BY position LIMIT ?)`,
        )
        .bind(before, PRUNED_ROWS)
        .run(),
    );
    if (meta.changes < PRUNED_ROWS) return;
  }
}
