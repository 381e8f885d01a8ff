import { int, type RowChanged, type Sql, text } from '@clawdbot/protocol';

/** A table of the existing API, as far as it has come. */
export interface SharedTable {
  readonly table: string;
  /** Those that are there, without the deleted ones. */
  readonly rows: number;
  /** Of the newest change, in D1. */
  readonly position: number;
}

export interface SharedRow {
  readonly key: string;
  readonly position: number;
  /** Its columns, as D1 has them. */
  readonly row: Record<string, unknown>;
}

/** What this orchestrator's organisation has in the tables that the existing API writes: a copy of D1, for reading. */
export class SharedTables {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /**
   * Takes a change over, in the caller's transaction. One that is not newer than what is known changes nothing;
   * a deleted row's place is kept, so that an older state of it which comes again after a resync stays out.
   */
  apply({ table, key, position, row }: RowChanged): void {
    this.#sql.run(
      `INSERT INTO shared_rows (table_name, key, position, row) VALUES (?, ?, ?, ?)
       ON CONFLICT (table_name, key) DO UPDATE SET position = excluded.position, row = excluded.row
         WHERE excluded.position > shared_rows.position`,
      table,
      key,
      position,
      row === undefined ? null : JSON.stringify(row),
    );
  }

  tables(): SharedTable[] {
    return this.#sql
      .run(
        `SELECT table_name, COUNT(row) AS rows, MAX(position) AS position FROM shared_rows GROUP BY table_name`,
      )
      .map((row) => ({
        table: text(row, 'table_name'),
        rows: int(row, 'rows'),
        position: int(row, 'position'),
      }));
  }

  /** By key, behind `after`; of a table that never had a row there are none. */
  rows(table: string, limit: number, after = ''): { items: SharedRow[]; next: string | null } {
    const found = this.#sql.run(
      `SELECT key, position, row FROM shared_rows WHERE table_name = ? AND key > ? AND row IS NOT NULL
       ORDER BY key LIMIT ?`,
      table,
      after,
      limit + 1,
    );
    const items = found.slice(0, limit).map((row) => ({
      key: text(row, 'key'),
      position: int(row, 'position'),
      row: JSON.parse(text(row, 'row')),
    }));
    return { items, next: found.length > limit ? (items.at(-1)?.key ?? null) : null };
  }
}
