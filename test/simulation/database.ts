import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Database } from 'better-sqlite3';

type Cell = string | number | null | Uint8Array;
type Row = Record<string, unknown>;

/** All rows of all tables: what a copy of the database's file would hold. */
export type Image = readonly { readonly table: string; readonly rows: readonly Row[] }[];

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly read: StatementSync;
  readonly clear: StatementSync;
  readonly insert: StatementSync;
}

/** A statement, as better-sqlite3 has it. */
export interface Statement {
  /** Gives rows. */
  readonly reader: boolean;
  readonly readonly: boolean;
  all(...params: unknown[]): Row[];
  run(...params: unknown[]): void;
}

/**
 * A SQLite in memory that is made once and serves one run after another: to give it another content is a tenth of
 * what opening, migrating and preparing all statements anew costs. It is Node's own SQLite: the one in better-sqlite3
 * is built with STAT4, and plans most statements anew each time they are bound, which is half of a run's time here
 * and nothing beside a real disk.
 */
export class MemoryDatabase {
  readonly #db = new DatabaseSync(':memory:');
  readonly #statements = new Map<string, Statement>();
  #tables: readonly Table[] | undefined;

  /** As much of better-sqlite3's class as the product's adapter asks for. */
  get asBetterSqlite(): Database {
    return this as unknown as Database; // `createSql` prepares, begins, and asks whether it is in a transaction.
  }

  prepare(text: string): Statement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    // SQLite looks into a limit that is a bare parameter, and plans anew each time it is bound.
    const statement = this.#db.prepare(text.replace(/LIMIT (\?\d*)/g, 'LIMIT $1 + 0'));
    const prepared: Statement = {
      reader: statement.columns().length > 0,
      readonly: /^\s*(SELECT|PRAGMA)/.test(text),
      all: (...params) => statement.all(...(params as Cell[])),
      run: (...params) => void statement.run(...(params as Cell[])),
    };
    this.#statements.set(text, prepared);
    return prepared;
  }

  /** Reads or writes outside of what is simulated. */
  rows(text: string, ...params: unknown[]): Row[] {
    return this.prepare(text).all(...params);
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction;
  }

  /** Prepared where it can be, since each transaction begins and ends by it. */
  exec(text: string): void {
    if (TRANSACTION.test(text)) this.prepare(text).run();
    else this.#db.exec(text);
  }

  image(): Image {
    return this.#all().map(({ name, read }) => ({ table: name, rows: read.all() }));
  }

  /** Puts a content in the place of the present one. The schema stays: make no image before it is whole. */
  load(image: Image): void {
    if (this.inTransaction) this.exec('ROLLBACK');
    this.exec('BEGIN');
    // Those that refer to others first; twice, because D1's triggers write down what is deleted.
    const emptied = [...this.#all()].reverse();
    for (const { clear } of [...emptied, ...emptied]) clear.run();
    for (const [index, { rows }] of image.entries()) {
      const table = this.#all()[index];
      for (const row of rows) table?.insert.run(...table.columns.map((column) => row[column] as Cell));
    }
    this.exec('COMMIT');
  }

  #all(): readonly Table[] {
    this.#tables ??= this.#names().map((name) => {
      const columns = this.rows(`PRAGMA table_info(${name})`).map((column) => String(column['name']));
      return {
        name,
        columns,
        read: this.#db.prepare(`SELECT * FROM ${name}`),
        clear: this.#db.prepare(`DELETE FROM ${name}`),
        insert: this.#db.prepare(`INSERT INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`),
      };
    });
    return this.#tables;
  }

  /** The counters last: whoever fills a table moves its own. */
  #names(): string[] {
    const names = this.rows(`SELECT name FROM sqlite_master WHERE type = 'table'`).map(({ name }) =>
      String(name),
    );
    return [...names.filter((name) => !name.startsWith('sqlite_')), 'sqlite_sequence'];
  }
}

const TRANSACTION = /^(BEGIN|COMMIT|ROLLBACK)/;
