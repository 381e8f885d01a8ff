import { type Event, int, type Sql, text } from '@clawdbot/protocol';
import type { HubUpdate } from './rpc.ts';

const EVENTS_MAX = 1_000;
/** An event may be as large as an entry, 64 KiB: counted alone, a thousand would be a quarter of the object. */
const BYTES_MAX = 4 * 1024 * 1024;
/** Events that one message to a dashboard carries. Orchestrators and commands that have changed come on top of it. */
const TOLD_BYTES_MAX = 512 * 1024;
const SNAPSHOT_EVENTS_MAX = 100;

/** A place among the events: `count` is how many there were until then, those included that were never heard of. */
export interface Place {
  readonly position: number;
  readonly count: number;
}

/** The last events, each with the position at which it came and its number among all there were. */
export class Ring {
  static readonly TABLES = [
    `CREATE TABLE events (
       number INTEGER PRIMARY KEY, position INTEGER NOT NULL, orchestrator_id TEXT NOT NULL,
       id TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, shown TEXT NOT NULL)`,
    `CREATE INDEX events_by_position ON events (position)`,
    `CREATE TABLE heard (orchestrator_id TEXT PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID`,
  ];
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /**
   * Takes those behind the last one heard of. What lies between it and the first that is given was too much to be
   * told: it is counted.
   *
   * @param count of all events until now
   * @returns that count with these
   */
  note({ orchestratorId, at, events }: HubUpdate, { position, count }: Place): number {
    if (events === undefined || events.items.length === 0) return count;
    const behind = this.#behind(orchestratorId, events.last, at);
    if (behind === 0) return count;
    this.#sql.run(`INSERT OR REPLACE INTO heard VALUES (?, ?, ?)`, orchestratorId, events.last, at);
    const fresh = behind === undefined ? events.items : events.items.slice(-behind);
    let number = count + (behind === undefined ? 0 : behind - fresh.length);
    for (const event of fresh) number += this.#take(event, number + 1, position);
    return number;
  }

  /** The place of a position at or behind `floor`, which is the place of the last event that was dropped. */
  placeOf(position: number, floor: Place): Place {
    const [row] = this.#sql.run(
      `SELECT number FROM events WHERE position <= ? ORDER BY number DESC LIMIT 1`,
      position,
    );
    return { position, count: Math.max(floor.count, row === undefined ? 0 : int(row, 'number')) };
  }

  /** Those between two places, as many as a message carries, and how many there were besides. */
  between(from: Place, to: Place): { events: Event[]; missed: number } {
    const events = this.#last(`position > ? AND position <= ?`, from.position, to.position);
    return { events, missed: to.count - from.count - events.length };
  }

  /** The last ones until then, of what is listed. */
  snapshot({ position }: Place): Event[] {
    return this.#last(
      `orchestrator_id IN (SELECT id FROM orchestrators WHERE listed) AND position <= ?`,
      position,
    ).slice(-SNAPSHOT_EVENTS_MAX);
  }

  /** @returns whether there was something to forget */
  forget(orchestratorId: string): boolean {
    this.#sql.run(`DELETE FROM heard WHERE orchestrator_id = ?`, orchestratorId);
    return (
      this.#sql.run(`DELETE FROM events WHERE orchestrator_id = ? RETURNING id`, orchestratorId).length > 0
    );
  }

  /** Drops those that are too many. @returns the place of the last of these, if any */
  trim(): Place | undefined {
    const [last] = this.#sql.run(
      `SELECT number, position FROM (
         SELECT number, position, sum(bytes) OVER (ORDER BY number DESC) AS bytes,
           row_number() OVER (ORDER BY number DESC) AS rank FROM events)
       WHERE rank > ? OR bytes > ? ORDER BY number DESC LIMIT 1`,
      EVENTS_MAX,
      BYTES_MAX,
    );
    if (last === undefined) return undefined;
    const place = { position: int(last, 'position'), count: int(last, 'number') };
    this.#sql.run(`DELETE FROM events WHERE number <= ?`, place.count);
    return place;
  }

  /** How many events its object has that we have not heard of; undefined: all that it gives may be new. */
  #behind(orchestratorId: string, last: number, at: number): number | undefined {
    const [heard] = this.#sql.run(`SELECT last, at FROM heard WHERE orchestrator_id = ?`, orchestratorId);
    if (heard === undefined) return undefined;
    const behind = last - int(heard, 'last');
    if (behind >= 0) return behind;
    // Late news, or an object that was restored and counts from an older position: events are known by their ids.
    return at < int(heard, 'at') ? 0 : undefined;
  }

  /** @returns 1, or 0 when it was known */
  #take(event: Event, number: number, position: number): number {
    const shown = JSON.stringify(event);
    return this.#sql.run(
      `INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?) RETURNING number`,
      number,
      position,
      event.orchestratorId,
      event.id,
      shown.length,
      shown,
    ).length;
  }

  /** The last of these that fit a message, oldest first. */
  #last(where: string, ...params: number[]): Event[] {
    return this.#sql
      .run(
        `SELECT shown FROM (
           SELECT number, shown, sum(bytes) OVER (ORDER BY number DESC) AS bytes FROM events WHERE ${where})
         WHERE bytes <= ? ORDER BY number`,
        ...params,
        TOLD_BYTES_MAX,
      )
      .map((row) => JSON.parse(text(row, 'shown')));
  }
}
