/** A SQLite value as both drivers give it. */
export type SqlValue = string | number | null;
export type SqlRow = Record<string, SqlValue>;

/**
 * The storage port of everything durable: SQLite, synchronous, in one process. Two adapters exist, over
 * better-sqlite3 and over a Durable Object's `ctx.storage`; the same tests run on both.
 */
export interface Sql {
  /** Runs one statement and returns all its rows. */
  run(sql: string, ...params: SqlValue[]): SqlRow[];
  /** Runs `work` in a transaction; nested calls join the outer one. A throw rolls all of it back. */
  transaction<T>(work: () => T): T;
}

/** A column that the schema says is an integer. */
export function int(row: SqlRow | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`);
  return value;
}

/** A column that the schema says is text. */
export function text(row: SqlRow | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`);
  return value;
}
