import { type EntryKey, type Inbox, int, type Sql, text } from '@clawdbot/protocol';
import type { Group, Projection } from './projector.ts';
import type { Meta } from './store.ts';

export interface EventProjectionParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly inbox: Pick<Inbox, 'pending'>;
  readonly now: () => number;
}

/** What D1 has is kept here this long, and no more of it than this: a dashboard asks for the last ones. */
const KEPT_MS = 24 * 60 * 60 * 1_000;
const KEPT_ROWS = 100_000;
/** Rows deleted at a time: less than the work that wrote them, and no long stop for a relayed request. */
const PRUNED_ROWS = 1_000;

const GROUP_ROWS = 500;
/**
 * A bound parameter is at most 2 MB. As an element of the JSON text that is bound, a character of a column takes four
 * bytes at the worst, so this many of all columns stay below that.
 */
const GROUP_CHARACTERS = 400_000;

/** An id that is there already is the same event, from a log that was offered again. */
const INSERT = `
  INSERT INTO orc_events (id, org_id, orchestrator_id, site_id, type, data, created_at, received_at)
  SELECT value ->> 0, ?1, ?2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
  FROM json_each(?3) WHERE true ORDER BY key
  ON CONFLICT (id) DO NOTHING`;

/**
 * Events on their way to D1, by position. How far it is, is said in the orchestrator's own positions, too: so it
 * knows which of its events the whole organisation can see.
 */
export class EventProjection implements Projection {
  readonly statement = INSERT;
  readonly #parts: EventProjectionParts;

  constructor(parts: EventProjectionParts) {
    this.#parts = parts;
  }

  /** Of the last event that D1 has. */
  get position(): number {
    return this.#parts.meta.number('events_projected');
  }

  /** Events that D1 does not have yet, at most: positions may have holes where an id was known. */
  get unprojected(): number {
    return Math.max(0, lastPosition(this.#parts.sql) - this.position);
  }

  /**
   * The position in the orchestrator's log `logId` up to which D1 has every event: not further than an entry that
   * still waits to be handled, which may be one. Dead letters are no events.
   */
  projected(logId: string): number {
    const { meta, inbox } = this.#parts;
    if (meta.text('projected_log') !== logId) return 0;
    const written = meta.number('projected_seq');
    const [waiting] = inbox.pending(1, Number.MAX_SAFE_INTEGER);
    return waiting?.logId === logId ? Math.min(written, waiting.seq - 1) : written;
  }

  /**
   * Events were inserted, in the caller's transaction. They lie in the order of their log, except those whose
   * handling was tried again: they are behind later ones. Until D1 has them too, how far it is says nothing of the
   * orchestrator's positions.
   */
  noteOrder(items: readonly EntryKey[]): void {
    const { sql, meta } = this.#parts;
    const [first, last] = [items[0], items.at(-1)];
    if (first === undefined || last === undefined) return;
    if (meta.text('events_log') !== first.logId) {
      meta.set('events_log', first.logId);
      meta.set('events_seq', 0);
      meta.set('events_overtaken', 0);
    }
    const highest = meta.number('events_seq');
    if (first.seq < highest) {
      meta.set('events_disorder', lastPosition(sql));
      meta.set('events_overtaken', highest);
    }
    meta.set('events_seq', Math.max(highest, last.seq));
  }

  next(): Group | undefined {
    // Asked after every change of the object: what follows costs a hundred times as much.
    if (this.unprojected === 0) return undefined;
    // The text goes to D1 as it is: no row is taken apart here.
    const [group] = this.#parts.sql.run(
      `SELECT MAX(position) AS last, json_group_array(
           json_array(id, site_id, type, data, created_at, received_at)) AS rows
         FROM (SELECT *, SUM(
             length(id) + length(site_id) + length(type) + length(data) + length(created_at)) OVER (ORDER BY position) AS characters FROM (
           SELECT * FROM events WHERE position > ?1 ORDER BY position LIMIT ?2))
         WHERE characters <= ?3`,
      this.position,
      GROUP_ROWS,
      GROUP_CHARACTERS,
    );
    if (group?.['last'] == null) return undefined;
    const last = int(group, 'last');
    return { rows: text(group, 'rows'), done: () => this.#written(last) };
  }

  /** D1 has everything up to this position. */
  #written(position: number): void {
    const { sql, meta } = this.#parts;
    sql.transaction(() => {
      meta.set('events_projected', position);
      const [row] = sql.run(`SELECT log_id, seq FROM events WHERE position = ?`, position);
      if (row !== undefined && position >= meta.number('events_disorder')) {
        meta.set('projected_log', text(row, 'log_id'));
        meta.set('projected_seq', Math.max(int(row, 'seq'), meta.number('events_overtaken')));
      }
      this.#prune(position);
    });
  }

  #prune(projected: number): void {
    const { sql, now } = this.#parts;
    const old = now() - KEPT_MS;
    const crowd = projected - KEPT_ROWS;
    const [first] = sql.run(`SELECT position, received_at FROM events ORDER BY position LIMIT 1`);
    if (first === undefined || (int(first, 'received_at') >= old && int(first, 'position') > crowd)) return;
    sql.run(
      `DELETE FROM events WHERE position <= ?1 AND (received_at < ?2 OR position <= ?3) AND position IN (
         SELECT position FROM events ORDER BY position LIMIT ?4)`,
      projected,
      old,
      crowd,
      PRUNED_ROWS,
    );
  }
}

/** Of the last event there is; 0 when there is none. */
export function lastPosition(sql: Sql): number {
  const [row] = sql.run(`SELECT MAX(position) AS last FROM events`);
  return row?.['last'] == null ? 0 : int(row, 'last');
}
