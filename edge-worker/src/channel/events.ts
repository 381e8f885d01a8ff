import {
  type EntryKey,
  type Event,
  event,
  Failure,
  int,
  type Sql,
  type SyncEvent,
  text,
} from '@clawdbot/protocol';
import type { Configs } from './configs.ts';
import { type EventProjection, lastPosition } from './event-projection.ts';

/** An event as an entry of the orchestrator's control log brought it. */
export interface NewEvent extends EntryKey {
  readonly id: string;
  readonly event: SyncEvent;
}

export interface EventsParts {
  readonly sql: Sql;
  readonly configs: Pick<Configs, 'knew'>;
  readonly projection: Pick<EventProjection, 'noteOrder' | 'position'>;
  readonly orchestratorId: string;
  readonly now: () => number;
}

/** What has happened on the VPS, in the order in which it was told, until D1 has it and a while longer. */
export class Events {
  readonly #parts: EventsParts;
  /** What an instance before this one left to follow up is not known. */
  #changed = true;

  constructor(parts: EventsParts) {
    this.#parts = parts;
  }

  /**
   * Keeps events in the caller's transaction, in one statement; one whose id is known is passed over.
   * Throws `Failure('not_found')` when one is of a site that never was at this orchestrator: then none is kept.
   */
  insertAll(items: readonly NewEvent[]): void {
    const { sql, configs, projection, now } = this.#parts;
    for (const siteId of new Set(items.map((item) => item.event.siteId))) {
      if (!configs.knew(siteId)) throw new Failure('not_found', `no site "${siteId}" here`);
    }
    this.#changed = true;
    sql.run(
      `INSERT INTO events (id, log_id, seq, site_id, type, data, created_at, received_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?1
         FROM json_each(?2) WHERE true
         ON CONFLICT (id) DO NOTHING`,
      now(),
      JSON.stringify(
        items.map(({ id, logId, seq, event: { siteId, type, data, createdAt } }) => [
          id,
          logId,
          seq,
          siteId,
          type,
          // As text: SQLite would take it apart and write it again, a quarter of what the row costs.
          JSON.stringify(data),
          createdAt,
        ]),
      ),
    );
    projection.noteOrder(items);
  }

  /** Has an event come since this was last asked? */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** The last ones, oldest first. `behind`: only those behind this position. */
  last(limit: number, behind = 0): Event[] {
    const projected = this.#parts.projection.position;
    return this.#parts.sql
      .run(`SELECT * FROM events WHERE position > ? ORDER BY position DESC LIMIT ?`, behind, limit)
      .reverse()
      .map((row) =>
        event.parse({
          id: row['id'],
          type: row['type'],
          orchestratorId: this.#parts.orchestratorId,
          siteId: row['site_id'],
          data: JSON.parse(text(row, 'data')),
          createdAt: row['created_at'],
          receivedAt: row['received_at'],
          syncedToWorkers: int(row, 'position') <= projected,
        }),
      );
  }

  /** Of the last event; 0 when there is none. */
  get position(): number {
    return lastPosition(this.#parts.sql);
  }
}
