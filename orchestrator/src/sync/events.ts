import {
  Failure,
  int,
  type Outbox,
  orchestratorCodec,
  orderedId,
  type RandomBytes,
  type Sql,
  type SqlRow,
  type SyncEvent,
  syncEventBody,
  text,
} from '@clawdbot/protocol';

/** What has happened, as whoever saw it says it. */
export type NewEvent = Pick<SyncEvent, 'type' | 'siteId' | 'data'>;

/** An event as `GET /internal/events` shows it: the existing stack's shape, under its id. */
export type LocalEvent = SyncEvent & { readonly id: string };

export interface EventFilter {
  readonly site?: string | undefined;
  readonly type?: SyncEvent['type'] | undefined;
  /** The `next` of an earlier page. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export interface EventsOptions {
  readonly sql: Sql;
  readonly outbox: Pick<Outbox, 'appendAll' | 'projected'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random: RandomBytes;
}

/** The existing API shows events for a while; what is in D1 need not stay here longer than anyone looks. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
/** Deleted in one round of the upkeep, which must not keep customers' requests waiting. */
export const PRUNE_ROWS = 10_000;
/** Few enough that the texts of all sizes stay prepared. */
const ROWS_PER_STATEMENT = 100;
/** Appended at once, of those that waited for room. */
const DRAIN_ROWS = 500;
/** What `orderedId` takes for one. */
const RANDOM_BYTES = 13;

/**
 * The events that this VPS makes: each is a row here and an entry of the control log, both written in the
 * transaction of the fact that it tells of. Whoever records one wakes the log behind that transaction.
 */
export class Events {
  readonly #options: EventsOptions;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  record(event: NewEvent): void {
    this.recordAll([event]);
  }

  /**
   * Many at once, in their order. A full log fails neither them nor their facts: then their entries are appended
   * later, by `drain`, and those of all later events behind them.
   */
  recordAll(events: readonly NewEvent[]): void {
    const { sql, now } = this.#options;
    const random = this.#randomFor(events.length);
    const at = now();
    const createdAt = iso(at);
    const made = events.map(
      (event): LocalEvent => ({
        ...event,
        id: `evt_${orderedId(at, random)}`,
        createdAt,
        syncedToWorkers: false,
      }),
    );
    sql.transaction(() => {
      const first = this.#waits() ? undefined : this.#append(made);
      for (let done = 0; done < made.length; done += ROWS_PER_STATEMENT) {
        const rows = made.slice(done, done + ROWS_PER_STATEMENT);
        this.#insert(rows, at, first === undefined ? undefined : first + done);
      }
    });
  }

  /** By VALUES: SQLite would parse a `json_each` of them, which costs as much as the rows. */
  #insert(rows: readonly LocalEvent[], at: number, first: number | undefined): void {
    this.#options.sql.run(
      `INSERT INTO events (id, seq, type, site_id, data, created_at)
       VALUES ${rows.map(() => '(?, ?, ?, ?, ?, ?)').join(', ')}`,
      ...rows.flatMap(({ id, type, siteId, data }, index) => [
        id,
        first === undefined ? null : first + index,
        type,
        siteId,
        JSON.stringify(data),
        at,
      ]),
    );
  }

  /** Appends the entries that found the log full, as far as there is room now. @returns how many */
  drain(): number {
    let drained = 0;
    for (;;) {
      const count = this.#options.sql.transaction(() => this.#drainSome());
      drained += count;
      if (count < DRAIN_ROWS) return drained;
    }
  }

  /** Forgets what is in D1 and was made long ago. @returns rows forgotten, at most `PRUNE_ROWS` */
  prune(): number {
    const { sql, outbox, now } = this.#options;
    // Only the oldest rows are looked at: those behind them are younger, and have a higher position in the log.
    return sql.run(
      `DELETE FROM events WHERE position IN (
         SELECT position FROM (SELECT position, seq, created_at FROM events ORDER BY position LIMIT ?)
         WHERE seq <= ? AND created_at < ?) RETURNING 1`,
      PRUNE_ROWS,
      outbox.projected,
      now() - KEEP_MS,
    ).length;
  }

  /** The newest first. */
  list({ site, type, after, limit }: EventFilter): { items: LocalEvent[]; next: string | null } {
    const { sql, outbox } = this.#options;
    const rows = sql.run(
      `SELECT * FROM events
       WHERE position < ?1 AND (?2 IS NULL OR site_id = ?2) AND (?3 IS NULL OR type = ?3)
       ORDER BY position DESC LIMIT ?4`,
      after ?? Number.MAX_SAFE_INTEGER,
      site ?? null,
      type ?? null,
      limit + 1,
    );
    const shown = rows.slice(0, limit);
    const { projected } = outbox;
    const next = rows.length > limit ? String(int(shown.at(-1), 'position')) : null;
    return { items: shown.map((row) => eventOf(row, projected)), next };
  }

  /** Asks the system once, not for each id: that was a sixth of what an event of a batch costs. */
  #randomFor(ids: number): RandomBytes {
    const { random } = this.#options;
    const bytes = random(ids * RANDOM_BYTES);
    let used = 0;
    return (length) => {
      const some = bytes.subarray(used, used + length);
      used += length;
      return some.length === length ? some : random(length);
    };
  }

  #waits(): boolean {
    return this.#options.sql.run(`SELECT 1 FROM events WHERE seq IS NULL LIMIT 1`).length > 0;
  }

  #drainSome(): number {
    const { sql } = this.#options;
    const rows = sql.run(`SELECT * FROM events WHERE seq IS NULL ORDER BY position LIMIT ?`, DRAIN_ROWS);
    const first = rows.length === 0 ? undefined : this.#append(rows.map((row) => eventOf(row, 0)));
    if (first === undefined) return 0;
    for (const [index, row] of rows.entries()) {
      sql.run(`UPDATE events SET seq = ? WHERE position = ?`, first + index, int(row, 'position'));
    }
    return rows.length;
  }

  /** @returns the first one's place in the log; undefined when it has no room for them */
  #append(events: readonly LocalEvent[]): number | undefined {
    try {
      return this.#options.outbox.appendAll(events.map(entryOf));
    } catch (error) {
      if (error instanceof Failure && error.code === 'log_full') return undefined;
      throw error;
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

const entryOf = ({ id, ...event }: LocalEvent): string =>
  orchestratorCodec.encodeEntry({ type: 'sync_event', id, event });

/** An event is in D1 when its entry's place in the log is. */
function eventOf(row: SqlRow, projected: number): LocalEvent {
  const event = syncEventBody.parse({
    type: row['type'],
    siteId: row['site_id'],
    data: JSON.parse(text(row, 'data')),
    createdAt: iso(int(row, 'created_at')),
    syncedToWorkers: row['seq'] !== null && int(row, 'seq') <= projected,
  });
  return { ...event, id: text(row, 'id') };
}
