import type { Sql, SqlRow } from '../sql.ts';
import type { Side } from './steps.ts';

/** What a backup of one side's database holds. Both sides share one here; rows are told apart by direction. */
const TABLES: Record<Side, readonly string[]> = {
  sender: [`log_outbox`, `log_state WHERE direction = 'out'`],
  receiver: [`log_inbox`, `log_retired`, `effects`, `log_state WHERE direction = 'in'`],
};

/** A copy of one side's tables. */
export class Backup {
  readonly #rows = new Map<string, SqlRow[]>();

  constructor(sql: Sql, side: Side) {
    for (const table of TABLES[side]) this.#rows.set(table, sql.run(`SELECT * FROM ${table}`));
  }

  restore(sql: Sql): void {
    sql.transaction(() => {
      for (const [table, rows] of this.#rows) {
        sql.run(`DELETE FROM ${table}`);
        for (const row of rows) insert(sql, table.split(' ')[0] ?? table, row);
      }
    });
  }
}

function insert(sql: Sql, table: string, row: SqlRow): void {
  const columns = Object.keys(row);
  const places = columns.map(() => '?').join(', ');
  sql.run(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`, ...Object.values(row));
}
