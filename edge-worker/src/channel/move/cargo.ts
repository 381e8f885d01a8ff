import type { CargoRow, CargoTable } from './rpc.ts';

/** Configs of 48 KiB, and secrets of 64, at the largest. */
const PAGE_ROWS = 50;
/** Of what has ended, the newest: a list that nobody reads to its end. */
const ENDED_ROWS = 1_000;

const newest = (table: string, id: string, which: string): string =>
  `SELECT * FROM (SELECT * FROM ${table} WHERE ${which} ORDER BY substr(${id}, -22) DESC LIMIT ${ENDED_ROWS})
   ORDER BY ${id}`;
/** Of a deployment that has not ended, its command decides where it is. */
const THEIRS = `site_id = ?1 AND command_id NOT IN (
  SELECT id FROM commands WHERE state IN ('queued', 'delivered', 'running'))`;
const ENDED = `site_id = ?1 AND state NOT IN ('queued', 'delivered', 'running')`;

const SELECT: Readonly<Record<CargoTable, string>> = {
  configs: `SELECT * FROM configs WHERE site_id = ?1 ORDER BY generation`,
  secrets: `SELECT * FROM secrets WHERE site_id = ?1 ORDER BY name`,
  worker_vars: `SELECT * FROM worker_vars WHERE site_id = ?1 ORDER BY command_id`,
  deployments: newest('deployments', 'command_id', THEIRS),
  commands: newest('commands', 'id', ENDED),
};

/** Rows of a site that cross as they are: in the same schema at both objects, or the page is refused and sent again. */
export class Cargo {
  readonly #storage: SqlStorage;

  constructor(storage: SqlStorage) {
    this.#storage = storage;
  }

  *pages(table: CargoTable, siteId: string): Generator<CargoRow[]> {
    for (let at = 0; ; at += PAGE_ROWS) {
      const page = this.#storage
        .exec<CargoRow>(`${SELECT[table]} LIMIT ?2 OFFSET ?3`, siteId, PAGE_ROWS, at)
        .toArray();
      if (page.length > 0) yield page;
      if (page.length < PAGE_ROWS) return;
    }
  }

  /** Writes rows as they came. In the caller's transaction. */
  put(table: CargoTable, rows: readonly CargoRow[]): void {
    for (const row of rows) {
      // A command that has ended is here for its key and its deployment. It has no place in this log; D1 knows it; and one
      // that is here already, under its id or its key, stays.
      if (table === 'commands')
        this.insert('commands', { ...row, seq: 0, projected: row['version'] ?? 0 }, 'IGNORE');
      else this.insert(table, row);
    }
  }

  insert(table: string, row: CargoRow, or: 'REPLACE' | 'IGNORE' = 'REPLACE'): void {
    const columns = Object.keys(row);
    this.#storage.exec(
      `INSERT OR ${or} INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
      ...Object.values(row),
    );
  }

  /** The list has gone along; what stays is told of here. In the caller's transaction. */
  leave(siteId: string): void {
    this.#storage.exec(`DELETE FROM deployments WHERE ${THEIRS}`, siteId);
  }

  /** What was put for a site that is not this object's after all; its config and secrets go with the site itself. */
  drop(siteId: string): void {
    this.#storage.exec(`DELETE FROM deployments WHERE site_id = ?`, siteId);
    this.#storage.exec(`DELETE FROM commands WHERE ${ENDED} AND seq = 0`, siteId);
  }
}
