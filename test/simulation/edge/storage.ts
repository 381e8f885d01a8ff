import { join } from 'node:path';
import type { Sql } from '@clawdbot/protocol';
import type { Statement } from 'better-sqlite3';
import { createSql } from '../../../orchestrator/src/store/index.ts';
import { type Image, MemoryDatabase } from '../database.ts';
import type { Process } from '../world.ts';

type Value = string | number | null | ArrayBuffer | Uint8Array;
type Row = Record<string, unknown>;

interface Prepared {
  readonly statement: Statement<unknown[], Row>;
  readonly numbered: boolean;
}

/** Serves one object after another. */
const db = new MemoryDatabase();
const statements = new Map<string, Prepared>();

// By its address: its types are those of workerd, and this is Node.
const { migrate } = (await import(
  join(import.meta.dirname, '../../../edge-worker/src/channel/store.ts')
)) as { migrate: (sql: Sql) => void };
migrate(createSql(db));
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
    if (!this.#open) db.exec('BEGIN');
    this.#open = true;
    return this.#run(text, params);
  }

  #run(text: string, params: Value[]): Row[] {
    const { statement, numbered } = prepare(text);
    const values = params.map((value) =>
      value instanceof ArrayBuffer || value instanceof Uint8Array ? Buffer.from(value as ArrayBuffer) : value,
    );
    const bound = numbered ? [Object.fromEntries(values.map((value, index) => [index + 1, value]))] : values;
    if (statement.reader) return statement.all(...bound).map(withArrayBuffers);
    statement.run(...bound);
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

function prepare(text: string): Prepared {
  const known = statements.get(text);
  if (known !== undefined) return known;
  const prepared = { statement: db.prepare<Row>(text), numbered: /\?\d/.test(text) };
  statements.set(text, prepared);
  return prepared;
}

function withArrayBuffers(row: Row): Row {
  for (const name in row) {
    const value = row[name];
    if (typeof value === 'object' && Buffer.isBuffer(value)) row[name] = Uint8Array.from(value).buffer;
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
