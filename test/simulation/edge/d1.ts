import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, MemoryDatabase } from '../database.ts';
import type { World } from '../world.ts';

/** How D1 is: it answers, refuses everything, or takes long. */
export type D1Mood = 'ok' | 'failing' | 'slow';

const LATENCY_MS = 3;
const SLOW_MS = 8_000;

const ROOT = join(import.meta.dirname, '../../..');
/** Serves one run after another. */
const db = new MemoryDatabase();
const EMPTY = migrated();

function migrated(): Image {
  db.exec(readFileSync(join(ROOT, 'test/sandbox/existing.sql'), 'utf8'));
  const folder = join(ROOT, 'edge-worker/migrations');
  for (const file of readdirSync(folder).sort()) db.exec(readFileSync(join(folder, file), 'utf8'));
  // Each run makes the rows that it needs.
  db.exec('DELETE FROM customers; DELETE FROM agencies; DELETE FROM orc_sync_outbox');
  return db.image();
}

/** D1 as the object sees it: a SQLite elsewhere, asked asynchronously, that may be slow or fail. */
export class SimulatedD1 {
  readonly db = db;
  mood: D1Mood = 'ok';
  readonly #world: World;
  /** Holds a request back until what was written before it is committed. */
  readonly #gate: (send: () => void) => void;

  constructor(world: World, gate: (send: () => void) => void) {
    db.load(EMPTY);
    this.#world = world;
    this.#gate = gate;
  }

  /** What the object's code is given as its binding. */
  readonly port = {
    prepare: (sql: string) => new D1Statement(this, sql, []),
    batch: (statements: D1Statement[]) => this.ask(() => statements.map((statement) => statement.execute())),
  };

  /** Sends a request: it is carried out when it arrives, and answered later. */
  ask<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const owner = this.#world.current;
    const wait = () => {
      const usual = this.mood === 'slow' ? SLOW_MS : LATENCY_MS;
      return this.#world.random.int(1, usual * 2);
    };
    this.#gate(() => {
      this.#world.after(
        wait(),
        () => {
          const answer = this.#carryOut(work);
          // The answer may be lost with the asker, or come when the write is long done.
          const settle = () => ('error' in answer ? reject(answer.error) : resolve(answer.value));
          this.#world.after(wait(), settle, owner);
        },
        undefined,
      );
    });
    return promise;
  }

  #carryOut<T>(work: () => T): { value: T } | { error: unknown } {
    if (this.mood === 'failing') return { error: new Error('D1_ERROR: simulated') };
    db.exec('BEGIN');
    try {
      const value = work();
      db.exec('COMMIT');
      return { value };
    } catch (error) {
      db.exec('ROLLBACK');
      return { error };
    }
  }
}

class D1Statement {
  readonly #d1: SimulatedD1;
  readonly #sql: string;
  readonly #params: readonly unknown[];

  constructor(d1: SimulatedD1, sql: string, params: readonly unknown[]) {
    this.#d1 = d1;
    this.#sql = sql;
    this.#params = params;
  }

  bind(...params: unknown[]): D1Statement {
    return new D1Statement(this.#d1, this.#sql, params);
  }

  run() {
    return this.#d1.ask(() => this.execute());
  }

  all() {
    return this.run();
  }

  async first(): Promise<unknown> {
    return (await this.run()).results[0] ?? null;
  }

  execute() {
    const statement = db.prepare(this.#sql);
    const results = statement.reader ? statement.all(...this.#params) : [];
    if (!statement.reader) statement.run(...this.#params);
    return { success: true, results };
  }
}
