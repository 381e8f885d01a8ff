import { type CommandSummary, int, isFinal, type Sql, text } from '@clawdbot/protocol';
import type { HubUpdate } from './rpc.ts';

/** Ended commands that are shown; lists have the others. */
const ENDED_MAX = 50;
/** More open ones than anybody reads: 1,000 are 300 KB of a snapshot. `queues` tells how many there are. */
const OPEN_MAX = 1_000;

/** The latest of each command that is open or has just ended, and the position at which it changed. */
export class Commands {
  static readonly TABLES = [
    `CREATE TABLE commands (
       id TEXT PRIMARY KEY, orchestrator_id TEXT NOT NULL, updated_at INTEGER NOT NULL, at INTEGER NOT NULL,
       position INTEGER NOT NULL, open INTEGER NOT NULL, shown TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX commands_by_position ON commands (position)`,
  ];
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** @returns whether any of them is news */
  note({ commands = [], at }: HubUpdate, position: number): boolean {
    return commands.map((command) => this.#noteOne(command, at, position)).includes(true);
  }

  /** Those that are open, and those that ended last. */
  listed(): CommandSummary[] {
    const listed = `orchestrator_id IN (SELECT id FROM orchestrators WHERE listed)`;
    const ended = this.#shown(`${listed} AND NOT open ORDER BY updated_at DESC, id DESC LIMIT ?`, ENDED_MAX);
    return [...ended.reverse(), ...this.#shown(`${listed} AND open ORDER BY updated_at, id`)];
  }

  changedAfter(position: number): CommandSummary[] {
    return this.#shown(`position > ? ORDER BY position, id`, position);
  }

  /** @returns whether there was something to forget */
  forget(orchestratorId: string): boolean {
    return (
      this.#sql.run(`DELETE FROM commands WHERE orchestrator_id = ? RETURNING id`, orchestratorId).length > 0
    );
  }

  /**
   * Drops those that are too many, of each orchestrator the very ones that its Channel no longer tells: others would
   * come back as news. @returns the last position at which one of these had changed; 0: none
   */
  trim(): number {
    return Math.max(
      this.#trim(`NOT open`, `updated_at DESC, id DESC`, ENDED_MAX),
      this.#trim(`open`, `id DESC`, OPEN_MAX),
    );
  }

  #trim(which: string, order: string, keep: number): number {
    const gone = this.#sql.run(
      `DELETE FROM commands WHERE id IN (
         SELECT id FROM (
           SELECT id, row_number() OVER (PARTITION BY orchestrator_id ORDER BY ${order}) AS rank
           FROM commands WHERE ${which})
         WHERE rank > ?)
       RETURNING position`,
      keep,
    );
    return Math.max(0, ...gone.map((row) => int(row, 'position')));
  }

  #noteOne(command: CommandSummary, at: number, position: number): boolean {
    const shown = JSON.stringify(command);
    const { id, orchestratorId, updatedAt, state } = command;
    return (
      this.#sql.run(
        `INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, at = excluded.at,
           position = excluded.position, open = excluded.open, shown = excluded.shown
         WHERE (excluded.updated_at, excluded.at) >= (updated_at, at) AND excluded.shown <> shown
         RETURNING id`,
        id,
        orchestratorId,
        updatedAt,
        at,
        position,
        isFinal(state) ? 0 : 1,
        shown,
      ).length > 0
    );
  }

  #shown(where: string, ...params: number[]): CommandSummary[] {
    return this.#sql
      .run(`SELECT shown FROM commands WHERE ${where}`, ...params)
      .map((row) => JSON.parse(text(row, 'shown')));
  }
}
