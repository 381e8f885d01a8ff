import Sqlite, { type Database, type Statement } from 'better-sqlite3';
import type { Process } from '../world.ts';

type Value = string | number | null | ArrayBuffer | Uint8Array;
type Row = Record<string, unknown>;

interface Prepared {
  readonly statement: Statement<unknown[], Row>;
  readonly numbered: boolean;
}

/**
 * An object's SQLite. What a turn of the object writes is committed when the turn is over, all of it or, when the
 * power goes, none: so does the platform, which holds back what the turn sends until then.
 */
export class ObjectStorage {
  #db: Database;
  #statements = new Map<string, Prepared>();
  #depth = 0;
  #process: Process;
  alarmAt: number | undefined;

  constructor(image: Buffer | undefined, process: Process) {
    this.#db = new Sqlite(image ?? ':memory:');
    this.#process = process;
  }

  /** The power is back: the same database, for another process. */
  adopt(process: Process): void {
    this.#process = process;
    this.#depth = 0;
  }

  image(): Buffer {
    return this.#db.serialize();
  }

  /** Puts an earlier image in the database's place. */
  restore(image: Buffer): void {
    this.#db.close();
    this.#db = new Sqlite(image);
    this.#statements = new Map();
  }

  begin(): void {
    this.#run('BEGIN', []);
  }

  commit(): void {
    this.#run('COMMIT', []);
  }

  rollback(): void {
    this.#run('ROLLBACK', []);
  }

  close(): void {
    this.#db.close();
  }

  /** What the object's code is given as `ctx.storage`. */
  readonly port = {
    sql: { exec: (text: string, ...params: Value[]) => cursor(this.#exec(text, params)) },
    transactionSync: <T>(work: () => T): T => this.#nested(work),
    getAlarm: async (): Promise<number | null> => this.alarmAt ?? null,
    setAlarm: async (at: number): Promise<void> => {
      this.alarmAt = at;
    },
    deleteAlarm: async (): Promise<void> => {
      this.alarmAt = undefined;
    },
  };

  /** For the oracle: reads what is committed. */
  read(text: string, ...params: Value[]): Row[] {
    return this.#run(text, params);
  }

  #exec(text: string, params: Value[]): Row[] {
    this.#process.spend();
    return this.#run(text, params);
  }

  #run(text: string, params: Value[]): Row[] {
    const { statement, numbered } = this.#prepare(text);
    const values = params.map((value) =>
      value instanceof ArrayBuffer
        ? Buffer.from(value)
        : value instanceof Uint8Array
          ? Buffer.from(value)
          : value,
    );
    const bound = numbered ? [Object.fromEntries(values.map((value, index) => [index + 1, value]))] : values;
    if (!statement.reader) {
      statement.run(...bound);
      return [];
    }
    return statement.all(...bound).map(withArrayBuffers);
  }

  #prepare(text: string): Prepared {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const prepared = { statement: this.#db.prepare<unknown[], Row>(text), numbered: /\?\d/.test(text) };
    this.#statements.set(text, prepared);
    return prepared;
  }

  #nested<T>(work: () => T): T {
    const name = `nested_${this.#depth++}`;
    this.#run(`SAVEPOINT ${name}`, []);
    try {
      const result = work();
      this.#process.spend();
      this.#run(`RELEASE ${name}`, []);
      return result;
    } catch (error) {
      this.#run(`ROLLBACK TO ${name}`, []);
      this.#run(`RELEASE ${name}`, []);
      throw error;
    } finally {
      this.#depth--;
    }
  }
}

function withArrayBuffers(row: Row): Row {
  for (const [name, value] of Object.entries(row)) {
    if (Buffer.isBuffer(value)) row[name] = Uint8Array.from(value).buffer;
  }
  return row;
}

const cursor = (rows: Row[]) => ({
  toArray: () => rows,
  one: () => {
    const [row] = rows;
    if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
    return row;
  },
  [Symbol.iterator]: () => rows[Symbol.iterator](),
});
