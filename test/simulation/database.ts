import Sqlite, { type Statement } from 'better-sqlite3';

type Cell = string | number | null | Buffer;
/** All rows of all tables: what a copy of the database's file would hold. */
export type Image = readonly { readonly table: string; readonly rows: readonly (readonly Cell[])[] }[];

interface Table {
  readonly name: string;
  readonly read: Statement<[], Cell[]>;
  readonly clear: Statement<[]>;
  readonly insert: Statement<Cell[]>;
}

/**
 * A SQLite in memory that is made once and serves one run after another: to give it another content is a tenth of
 * what opening, migrating and preparing all statements anew costs.
 */
export class MemoryDatabase extends Sqlite {
  readonly #statements = new Map<string, Statement>();
  #tables: readonly Table[] | undefined;

  constructor() {
    super(':memory:');
  }

  /** The same statement for the same text: those who ask must not change how it gives its rows. */
  override prepare<Row>(text: string): Statement<unknown[], Row> {
    const known = this.#statements.get(text) ?? super.prepare(text);
    this.#statements.set(text, known);
    return known as Statement<unknown[], Row>; // What rows it gives is up to who asks, as with the original.
  }

  /** Prepared as well, since transactions begin and end by it. */
  override exec(text: string): this {
    if (/^(BEGIN|COMMIT|ROLLBACK)/.test(text)) this.prepare(text).run();
    else super.exec(text);
    return this;
  }

  image(): Image {
    return this.#all().map(({ name, read }) => ({ table: name, rows: read.all() }));
  }

  /** Puts a content in the place of the present one. The schema stays: make no image before it is whole. */
  load(image: Image): void {
    const tables = this.#all();
    this.exec('BEGIN');
    for (const { clear } of [...tables].reverse()) clear.run();
    for (const [index, { rows }] of image.entries()) {
      for (const row of rows) tables[index]?.insert.run(...row);
    }
    this.exec('COMMIT');
  }

  #all(): readonly Table[] {
    this.#tables ??= this.#names().map((name) => ({
      name,
      read: super.prepare<[], Cell[]>(`SELECT * FROM ${name}`).raw(),
      clear: super.prepare(`DELETE FROM ${name}`),
      insert: super.prepare(`INSERT INTO ${name} VALUES (${this.#places(name)})`),
    }));
    return this.#tables;
  }

  /** The counters last: whoever fills a table moves its own. */
  #names(): string[] {
    const names = super
      .prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table'`)
      .pluck()
      .all();
    return [...names.filter((name) => !name.startsWith('sqlite_')), 'sqlite_sequence'];
  }

  #places(table: string): string {
    const columns = this.pragma(`table_info(${table})`) as readonly unknown[]; // A row for each.
    return columns.map(() => '?').join(', ');
  }
}
