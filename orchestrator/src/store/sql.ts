import type { Sql, SqlRow, SqlValue } from '@clawdbot/protocol';
import type { Database, Statement } from 'better-sqlite3';
import { isStorageFault } from './fault.ts';

interface Prepared {
  readonly statement: Statement<unknown[], SqlRow>;
  /** better-sqlite3 takes `?1` for a parameter named "1", and wants such in an object. */
  readonly numbered: boolean;
}

export interface SqlHooks {
  /**
   * Runs inside every transaction that may write, the implied one of a lone statement included: what it throws
   * rolls the transaction back.
   */
  readonly guard?: () => void;
  /** The store has failed; whoever asked for it is thrown the same error. */
  readonly onFault?: (error: Error) => void;
}

/** The storage port over better-sqlite3. */
export function createSql(db: Database, { guard, onFault }: SqlHooks = {}): Sql {
  const cache = new Map<string, Prepared>();
  let working = false;

  function prepare(text: string): Prepared {
    const known = cache.get(text);
    if (known !== undefined) return known;
    const prepared = { statement: db.prepare<unknown[], SqlRow>(text), numbered: /\?\d/.test(text) };
    cache.set(text, prepared);
    return prepared;
  }

  function execute({ statement, numbered }: Prepared, params: SqlValue[]): SqlRow[] {
    const bound = numbered ? [Object.fromEntries(params.map((value, index) => [index + 1, value]))] : params;
    if (statement.reader) return statement.all(...bound);
    statement.run(...bound);
    return [];
  }

  /** SQLite ends a transaction by itself when the disk is full: what follows in it must not stand alone. */
  function mustStand(): void {
    if (!db.inTransaction) throw new Error('the transaction was rolled back when the store failed');
  }

  function outermost<T>(work: () => T): T {
    // Immediate: a lock that another process holds is waited for here, not found in the middle.
    prepare('BEGIN IMMEDIATE').statement.run();
    try {
      guard?.();
      const result = work();
      mustStand();
      prepare('COMMIT').statement.run();
      return result;
    } catch (error) {
      if (db.inTransaction) prepare('ROLLBACK').statement.run();
      throw error;
    }
  }

  function transaction<T>(work: () => T): T {
    if (working) return work();
    working = true;
    try {
      return watched(() => outermost(work));
    } finally {
      working = false;
    }
  }

  function watched<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isStorageFault(error)) onFault?.(error);
      throw error;
    }
  }

  return {
    run(text, ...params) {
      if (working) {
        mustStand();
        return execute(prepare(text), params);
      }
      const prepared = prepare(text);
      const guarded = guard !== undefined && !prepared.statement.readonly;
      return guarded
        ? transaction(() => execute(prepared, params))
        : watched(() => execute(prepared, params));
    },
    transaction,
  };
}
