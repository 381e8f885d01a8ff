import {
  type CommandSummary,
  int,
  isFinal,
  isMoveOver,
  type LiveSnapshot,
  type LiveUpdate,
  type SiteMove,
  type Sql,
  text,
} from '@clawdbot/protocol';
import { type Place, Ring } from './ring.ts';
import { ENDED_MOVES_MAX, type HubUpdate } from './rpc.ts';
import { States } from './states.ts';
import { Tasks } from './tasks.ts';

/** Raised when what is kept changes its shape: it is a cache, and begins anew. */
const SCHEMA = 2;
const TABLES = [
  `CREATE TABLE stream (
     one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, position INTEGER NOT NULL DEFAULT 0,
     count INTEGER NOT NULL DEFAULT 0, floor_position INTEGER NOT NULL DEFAULT 0,
     floor_count INTEGER NOT NULL DEFAULT 0)`,
  ...States.TABLES,
  ...Tasks.TABLES,
  ...Ring.TABLES,
];
const ENDED_COMMANDS_MAX = 50;
/** Notes between two trims: each may bring a hundred events. */
const NOTES_PER_TRIM = 10;

/** Where a dashboard stands. */
export interface Cursor extends Place {
  readonly stream: string;
}

/**
 * What dashboards are shown, and since which position: orchestrators, commands and moves (the latest of each), and the
 * last events. A continuation is possible from every position behind which nothing was dropped. Survives hibernation.
 */
export class Book {
  readonly #sql: Sql;
  readonly #newName: () => string;
  readonly #states: States;
  readonly #commands: Tasks<CommandSummary>;
  readonly #moves: Tasks<SiteMove>;
  readonly #ring: Ring;
  /** After a sleep nobody knows, so the next trim is due. */
  #notes = NOTES_PER_TRIM;

  constructor(sql: Sql, newName: () => string) {
    this.#sql = sql;
    this.#newName = newName;
    this.#migrate();
    this.#states = new States(sql);
    this.#commands = new Tasks<CommandSummary>(sql, {
      table: 'commands',
      of: ({ commands }) => commands,
      isOver: ({ state }) => isFinal(state),
      endedMax: ENDED_COMMANDS_MAX,
    });
    this.#moves = new Tasks<SiteMove>(sql, {
      table: 'moves',
      of: ({ moves }) => moves,
      isOver: isMoveOver,
      endedMax: ENDED_MOVES_MAX,
    });
    this.#ring = new Ring(sql);
  }

  /** Behind all that has happened. */
  get end(): Cursor {
    const row = this.#stream();
    return { stream: text(row, 'name'), position: int(row, 'position'), count: int(row, 'count') };
  }

  get listed(): string[] {
    return this.#states.listed;
  }

  list(ids: readonly string[]): void {
    this.#states.list(ids);
  }

  watchedAt(id: string): number {
    return this.#states.watchedAt(id);
  }

  setWatchedAt(id: string, at: number): void {
    this.#states.setWatchedAt(id, at);
  }

  /** @returns whether there is something to tell; what has not changed takes no position */
  note(update: HubUpdate): boolean {
    return this.#sql.transaction(() => {
      this.#notes += 1;
      const { position, count } = this.end;
      const next = position + 1;
      const isNews = this.#states.note(update, next);
      const tasks = [this.#commands.note(update, next), this.#moves.note(update, next)];
      const counted = this.#ring.note(update, { position: next, count });
      if (!isNews && !tasks.includes(true) && counted === count) return false;
      this.#sql.run(`UPDATE stream SET position = ?, count = ?`, next, counted);
      return true;
    });
  }

  /**
   * Forgets commands, moves and events of an orchestrator of which not everything was told. Nobody can continue over that,
   * so a new stream begins. @returns whether there was something to forget
   */
  forget(id: string): boolean {
    return this.#sql.transaction(() => {
      const had = [this.#commands, this.#moves, this.#ring].map((part) => part.forget(id)).includes(true);
      if (had) {
        this.#sql.run(
          `UPDATE stream SET name = ?, floor_position = position, floor_count = count`,
          this.#newName(),
        );
      }
      return had;
    });
  }

  /** Where a dashboard that stood at this position of this stream may continue; undefined: it takes the snapshot. */
  cursorAt({ stream, position }: { stream: string; position: number }, end: Cursor): Cursor | undefined {
    const floor = this.#floor;
    if (stream !== end.stream || position > end.position || position < floor.position) return undefined;
    return { stream, ...this.#ring.placeOf(position, floor) };
  }

  /** @param now for those of which nothing was heard until then */
  snapshot(end: Cursor, now: number): LiveSnapshot {
    return {
      type: 'snapshot',
      stream: end.stream,
      position: end.position,
      orchestrators: this.#states.all(now),
      commands: this.#commands.listed(),
      moves: this.#moves.listed(),
      events: this.#ring.snapshot(end),
    };
  }

  /** All that changed between two places of one stream. */
  update(from: Cursor, end: Cursor): LiveUpdate {
    return {
      type: 'update',
      position: end.position,
      orchestrators: this.#states.changedAfter(from.position),
      commands: this.#commands.changedAfter(from.position),
      moves: this.#moves.changedAfter(from.position),
      ...this.#ring.between(from, end),
    };
  }

  /** Drops what is too much, when that is worth it. To be called when all has been told. */
  trim(): void {
    if (this.#notes < NOTES_PER_TRIM) return;
    this.#notes = 0;
    this.#sql.transaction(() => {
      const events = this.#ring.trim();
      const position = Math.max(this.#commands.trim(), this.#moves.trim(), events?.position ?? 0);
      this.#sql.run(
        `UPDATE stream SET floor_position = max(floor_position, ?), floor_count = max(floor_count, ?)
         WHERE floor_position < ? OR floor_count < ?`,
        position,
        events?.count ?? 0,
        position,
        events?.count ?? 0,
      );
    });
  }

  get #floor(): Place {
    const row = this.#stream();
    return { position: int(row, 'floor_position'), count: int(row, 'floor_count') };
  }

  #stream() {
    return this.#sql.run(`SELECT * FROM stream`)[0];
  }

  #migrate(): void {
    this.#sql.transaction(() => {
      const [kept] = this.#sql.run(`SELECT name FROM sqlite_schema WHERE name = ?`, `book_${SCHEMA}`);
      if (kept !== undefined) return;
      const old = this.#sql.run(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'`,
      );
      for (const table of old) this.#sql.run(`DROP TABLE ${text(table, 'name')}`);
      for (const statement of [...TABLES, `CREATE TABLE book_${SCHEMA} (one INTEGER)`])
        this.#sql.run(statement);
      this.#sql.run(`INSERT INTO stream (one, name) VALUES (1, ?)`, this.#newName());
    });
  }
}
