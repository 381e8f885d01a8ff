import { int, type LiveOrchestrator, type Sql, type SqlRow, text } from '@clawdbot/protocol';
import type { HubUpdate } from './rpc.ts';

/** The latest of each orchestrator, and the position at which it last changed. */
export class States {
  static readonly TABLES = [
    `CREATE TABLE orchestrators (
       id TEXT PRIMARY KEY, listed INTEGER NOT NULL DEFAULT 1, at INTEGER NOT NULL DEFAULT 0,
       position INTEGER NOT NULL DEFAULT 0, watched_at INTEGER NOT NULL DEFAULT 0, shown TEXT) WITHOUT ROWID`,
  ];
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** These are the organisation's now; others are shown no more. */
  list(ids: readonly string[]): void {
    const all = JSON.stringify(ids);
    this.#sql.run(
      `UPDATE orchestrators SET listed = 0 WHERE listed AND id NOT IN (SELECT value FROM json_each(?))`,
      all,
    );
    this.#sql.run(
      `INSERT INTO orchestrators (id) SELECT value FROM json_each(?) WHERE true
       ON CONFLICT (id) DO UPDATE SET listed = 1 WHERE NOT listed`,
      all,
    );
  }

  get listed(): string[] {
    return this.#sql
      .run(`SELECT id FROM orchestrators WHERE listed ORDER BY id`)
      .map((row) => text(row, 'id'));
  }

  /** @returns whether something that is shown has changed; an older one that comes late changes nothing */
  note({ orchestratorId: id, at, presence, queues, status }: HubUpdate, position: number): boolean {
    const [row] = this.#sql.run(`SELECT at, shown FROM orchestrators WHERE id = ?`, id);
    if (row !== undefined && int(row, 'at') > at) return false;
    const known = shownOf(row);
    const now = shape({ id, at, presence, queues: queues ?? known?.queues, status: status ?? known?.status });
    const isNews = known === undefined || JSON.stringify({ ...now, at }) !== JSON.stringify({ ...known, at });
    this.#sql.run(
      `INSERT INTO orchestrators (id, at, position, shown) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at, shown = excluded.shown,
         position = iif(?, excluded.position, position)`,
      id,
      at,
      position,
      JSON.stringify(now),
      isNews ? 1 : 0,
    );
    return isNews;
  }

  /** All that are listed, heard of or not. */
  all(now: number): LiveOrchestrator[] {
    return this.#sql
      .run(`SELECT id, shown FROM orchestrators WHERE listed ORDER BY id`)
      .map((row) => shownOf(row) ?? { id: text(row, 'id'), presence: { state: 'never' }, at: now });
  }

  changedAfter(position: number): LiveOrchestrator[] {
    return this.#sql
      .run(`SELECT shown FROM orchestrators WHERE position > ? ORDER BY id`, position)
      .flatMap((row) => shownOf(row) ?? []);
  }

  /** When its Channel last said that it tells us of everything; 0: never. */
  watchedAt(id: string): number {
    const [row] = this.#sql.run(`SELECT watched_at FROM orchestrators WHERE id = ?`, id);
    return row === undefined ? 0 : int(row, 'watched_at');
  }

  setWatchedAt(id: string, at: number): void {
    this.#sql.run(`UPDATE orchestrators SET watched_at = ? WHERE id = ?`, at, id);
  }
}

interface Known {
  readonly id: string;
  readonly at: number;
  readonly presence: LiveOrchestrator['presence'];
  readonly queues: LiveOrchestrator['queues'];
  readonly status: LiveOrchestrator['status'];
}

/** Its members always in one order, so that two can be compared as text. */
const shape = ({ id, presence, at, queues, status }: Known): LiveOrchestrator => ({
  id,
  presence,
  at,
  ...(queues === undefined ? {} : { queues }),
  ...(status === undefined ? {} : { status }),
});

/** Undefined: it was listed, and nothing has been heard of it. */
function shownOf(row: SqlRow | undefined): LiveOrchestrator | undefined {
  const shown = row?.['shown'];
  return typeof shown === 'string' ? JSON.parse(shown) : undefined;
}
