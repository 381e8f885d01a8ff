import { join } from 'node:path';
import type { Sql } from '@clawdbot/protocol';
import { createSql } from '../../../orchestrator/src/store/index.ts';
import { type Image, MemoryDatabase } from '../database.ts';
import type { Process } from '../world.ts';

type Value = string | number | null | ArrayBuffer | Uint8Array;
type Row = Record<string, unknown>;

/** Serves one object after another. */
const db = new MemoryDatabase();

// By its address: its types are those of workerd, and this is Node.
const { migrate } = (await import(
  join(import.meta.dirname, '../../../edge-worker/src/channel/store.ts')
)) as { migrate: (sql: Sql) => void };
migrate(createSql(db.asBetterSqlite));
const EMPTY = db.image();

/**
 * An object's SQLite. What a turn of the object writes is committed when the turn is over, all of it or, when the
 * power goes, none: so does the platform, which holds back what the turn sends until then.
 */
export class ObjectStorage {
  #depth = 0;
  #open = false;
  #process: Process;
  alarmAt: number | undefined;

  constructor(process: Process) {
    db.load(EMPTY);
    this.#process = process;
  }

  /** The power is back: the same database, for another process. */
  adopt(process: Process): void {
    this.#process = process;
    this.#depth = 0;
  }

  image(): Image {
    return db.image();
  }

  /** Puts an earlier image in the database's place. */
  restore(image: Image): void {
    db.load(image);
  }

  commit(): void {
    this.#end('COMMIT');
  }

  rollback(): void {
    this.#end('ROLLBACK');
  }

  #end(how: 'COMMIT' | 'ROLLBACK'): void {
    if (this.#open) db.exec(how);
    this.#open = false;
  }

  /** What the object's code is given as `ctx.storage`. */
  readonly port = {
    sql: { exec: (text: string, ...params: Value[]) => new Cursor(this.#exec(text, params)) },
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
    if (!this.#open) db.exec('BEGIN');
    this.#open = true;
    return this.#run(text, params);
  }

  #run(text: string, params: Value[]): Row[] {
    const statement = db.prepare(text);
    const values = params.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value));
    if (statement.reader) return withArrayBuffers(statement.all(...values));
    statement.run(...values);
    return [];
  }

  #nested<T>(work: () => T): T {
    if (!this.#open) db.exec('BEGIN');
    this.#open = true;
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

/** Blobs come as they do in an object; no row has them beside other columns. */
function withArrayBuffers(rows: Row[]): Row[] {
  const [first] = rows;
  const blobs = Object.keys(first ?? {}).filter((name) => first?.[name] instanceof Uint8Array);
  for (const name of blobs) {
    for (const row of rows) if (row[name] instanceof Uint8Array) row[name] = row[name].buffer;
  }
  return rows;
}

/** What `sql.exec` gives. */
class Cursor {
  readonly #rows: Row[];

  constructor(rows: Row[]) {
    this.#rows = rows;
  }

  toArray(): Row[] {
    return this.#rows;
  }

  one(): Row {
    const [row] = this.#rows;
    if (row === undefined || this.#rows.length > 1)
      throw new Error(`expected one row, got ${this.#rows.length}`);
    return row;
  }

  [Symbol.iterator](): Iterator<Row> {
    return this.#rows[Symbol.iterator]();
  }
}
