import { int, type Sql, text } from '@clawdbot/protocol';
import type { HubUpdate } from './rpc.ts';

/** More open ones than anybody reads: 1,000 are 300 KB of a snapshot. `queues` tells how many commands there are. */
const OPEN_MAX = 1_000;

interface Task {
  readonly id: string;
  readonly updatedAt: number;
}

interface TasksOptions<T> {
  /** Of the database; nobody else writes it. */
  readonly table: 'commands' | 'moves';
  readonly of: (update: HubUpdate) => readonly T[] | undefined;
  readonly isOver: (task: T) => boolean;
  /** Ended ones that are shown; lists have the others. */
  readonly endedMax: number;
}

/** The latest of what begins and ends, of each that is open or has just ended, and the position at which it changed. */
export class Tasks<T extends Task> {
  static readonly TABLES = ['commands', 'moves'].flatMap((table) => [
    `CREATE TABLE ${table} (
       id TEXT PRIMARY KEY, orchestrator_id TEXT NOT NULL, updated_at INTEGER NOT NULL, at INTEGER NOT NULL,
       position INTEGER NOT NULL, open INTEGER NOT NULL, shown TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX ${table}_by_position ON ${table} (position)`,
  ]);
  readonly #sql: Sql;
  readonly #options: TasksOptions<T>;

  constructor(sql: Sql, options: TasksOptions<T>) {
    this.#sql = sql;
    this.#options = options;
  }

  /** @returns whether any of them is news */
  note(update: HubUpdate, position: number): boolean {
    const tasks = this.#options.of(update) ?? [];
    return tasks.map((task) => this.#noteOne(task, update, position)).includes(true);
  }

  /** Those that are open, and those that ended last. */
  listed(): T[] {
    const listed = `orchestrator_id IN (SELECT id FROM orchestrators WHERE listed)`;
    const ended = this.#shown(
      `${listed} AND NOT open ORDER BY updated_at DESC, id DESC LIMIT ?`,
      this.#options.endedMax,
    );
    return [...ended.reverse(), ...this.#shown(`${listed} AND open ORDER BY updated_at, id`)];
  }

  changedAfter(position: number): T[] {
    return this.#shown(`position > ? ORDER BY position, id`, position);
  }

  /** @returns whether there was something to forget */
  forget(orchestratorId: string): boolean {
    const gone = this.#sql.run(
      `DELETE FROM ${this.#options.table} WHERE orchestrator_id = ? RETURNING id`,
      orchestratorId,
    );
    return gone.length > 0;
  }

  /**
   * Drops those that are too many, of each orchestrator the very ones that its Channel no longer tells: others would
   * come back as news. @returns the last position at which one of these had changed; 0: none
   */
  trim(): number {
    return Math.max(
      this.#trim(`NOT open`, `updated_at DESC, id DESC`, this.#options.endedMax),
      this.#trim(`open`, `id DESC`, OPEN_MAX),
    );
  }

  #trim(which: string, order: string, keep: number): number {
    const { table } = this.#options;
    const gone = this.#sql.run(
      `DELETE FROM ${table} WHERE id IN (
         SELECT id FROM (
           SELECT id, row_number() OVER (PARTITION BY orchestrator_id ORDER BY ${order}) AS rank
           FROM ${table} WHERE ${which})
         WHERE rank > ?)
       RETURNING position`,
      keep,
    );
    return Math.max(0, ...gone.map((row) => int(row, 'position')));
  }

  #noteOne(task: T, { orchestratorId, at }: HubUpdate, position: number): boolean {
    const noted = this.#sql.run(
      `INSERT INTO ${this.#options.table} VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET orchestrator_id = excluded.orchestrator_id,
         updated_at = excluded.updated_at, at = excluded.at,
         position = excluded.position, open = excluded.open, shown = excluded.shown
       WHERE (excluded.updated_at, excluded.at) >= (updated_at, at) AND excluded.shown <> shown
       RETURNING id`,
      ...[task.id, orchestratorId, task.updatedAt, at, position],
      ...[this.#options.isOver(task) ? 0 : 1, JSON.stringify(task)],
    );
    return noted.length > 0;
  }

  #shown(where: string, ...params: number[]): T[] {
    return this.#sql
      .run(`SELECT shown FROM ${this.#options.table} WHERE ${where}`, ...params)
      .map((row) => JSON.parse(text(row, 'shown')));
  }
}
