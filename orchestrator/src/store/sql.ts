import type { Sql, SqlRow, SqlValue } from '@clawdbot/protocol';
import type { Database, Statement } from 'better-sqlite3';

interface Prepared {
  readonly statement: Statement<unknown[], SqlRow>;
  /** better-sqlite3 takes `?1` for a parameter named "1", and wants such in an object. */
  readonly numbered: boolean;
}

/**
 * The storage port over better-sqlite3. `guard` runs inside every transaction that may write, the implied one
 * of a lone statement included: what it throws rolls the transaction back.
 */
export function createSql(db: Database, guard?: () => void): Sql {
  const cache = new Map<string, Prepared>();

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

  function transaction<T>(work: () => T): T {
    if (db.inTransaction) return work();
    // Immediate: a lock that another process holds is waited for here, not found in the middle.
    db.exec('BEGIN IMMEDIATE');
    try {
      guard?.();
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // Some failures (a full disk) have rolled back by themselves already.
      if (db.inTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  return {
    run(text, ...params) {
      const prepared = prepare(text);
      const guarded = guard !== undefined && !prepared.statement.readonly && !db.inTransaction;
      return guarded ? transaction(() => execute(prepared, params)) : execute(prepared, params);
    },
    transaction,
  };
}
