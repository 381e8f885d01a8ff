import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { int, type Sql, text } from '@clawdbot/protocol';
import Sqlite, { type Database } from 'better-sqlite3';
import { MIGRATIONS } from './migrations.ts';
import { createSql } from './sql.ts';

/** How long a statement waits for another process's write, e.g. a backup's or a predecessor's last one. */
const BUSY_TIMEOUT_MS = 5_000;

export const DATABASE_FILE = 'orchestrator.db';

/** The database cannot be used; nothing in it was changed. The message names the file and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** A newer process has opened this database: this one must commit nothing more. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export interface Store {
  /** Every transaction first checks that this process is still the newest one, and throws `LeaseLost` if not. */
  readonly sql: Sql;
  /** Raised at every boot: the newest process has the highest. */
  readonly generation: number;
  close(): void;
}

/**
 * Opens `<dataDir>/orchestrator.db`: checks without writing that it is whole and this orchestrator's own, migrates
 * it, and takes it over from any other process by raising the generation. Throws `StoreError`.
 */
export function openStore(dataDir: string, orchestratorId: string): Store {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = join(dataDir, DATABASE_FILE);
  if (existsSync(file)) refuseForeign(ownerIn(file, orchestratorId), orchestratorId);
  const db = new Sqlite(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    makeDurable(db);
    const unguarded = createSql(db);
    migrate(unguarded);
    own(unguarded, orchestratorId);
    const generation = raiseGeneration(unguarded);
    return {
      sql: createSql(db, () => holdLease(unguarded, generation)),
      generation,
      close: () => db.close(),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Reads all of an existing database over a connection that cannot write.
 * @returns the orchestrator it belongs to; undefined when it was never opened by one
 */
function ownerIn(file: string, orchestratorId: string): string | undefined {
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    const report = db.pragma('quick_check(1)', { simple: true });
    if (report !== 'ok') throw new Error(String(report));
    return ownerOf(createSql(db));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreError(
      `${file} is damaged (${why.replaceAll('\n', ' ')}): nothing was changed; restore the folder from a backup, or move the database away to start with an empty one, and have an admin run "clawctl release ${orchestratorId}"`,
      { cause: error },
    );
  } finally {
    db?.close();
  }
}

function ownerOf(sql: Sql): string | undefined {
  // A first boot may have ended before it made any table.
  if (sql.run(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).length === 0) return undefined;
  const [row] = sql.run(`SELECT value FROM meta WHERE key = 'orchestrator_id'`);
  return row === undefined ? undefined : text(row, 'value');
}

/** Another's log and commands under this id would end in the edge's refusal, and in lost results. */
function refuseForeign(owner: string | undefined, orchestratorId: string): void {
  if (owner === undefined || owner === orchestratorId) return;
  throw new StoreError(
    `DATA_DIR holds the database of ${owner}, not ${orchestratorId}: set DATA_DIR to a folder of its own, or ORCHESTRATOR_ID to ${owner}`,
  );
}

/** Says at the first boot whose database this is. */
function own(sql: Sql, orchestratorId: string): void {
  sql.run(`INSERT OR IGNORE INTO meta (key, value) VALUES ('orchestrator_id', ?)`, orchestratorId);
}

/**
 * better-sqlite3 is built with WAL's `synchronous` at NORMAL, under which a power cut may undo commits that
 * were acknowledged to the edge: set FULL, and read both back, since a pragma that fails does so silently.
 */
function makeDurable(db: Database): void {
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  const mode = db.pragma('journal_mode', { simple: true });
  const synchronous = db.pragma('synchronous', { simple: true });
  if (mode !== 'wal' || synchronous !== 2) {
    throw new StoreError(
      `${db.name}: SQLite refused WAL with synchronous=FULL (got ${mode}, ${synchronous}): put DATA_DIR on a local disk`,
    );
  }
}

function migrate(sql: Sql): void {
  sql.transaction(() => {
    const version = int(sql.run('PRAGMA user_version')[0], 'user_version');
    if (version > MIGRATIONS.length) {
      throw new StoreError(
        `the database has version ${version} and this program knows ${MIGRATIONS.length}: run the newer program, or restore the folder from an older backup`,
      );
    }
    for (const step of MIGRATIONS.slice(version)) step(sql);
    // A pragma takes no bound parameter; this one is our own number.
    sql.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function raiseGeneration(sql: Sql): number {
  const [row] = sql.run(
    `INSERT INTO meta (key, value) VALUES ('generation', '1')
     ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value`,
  );
  return Number(text(row, 'value'));
}

function holdLease(sql: Sql, generation: number): void {
  const [row] = sql.run(`SELECT value FROM meta WHERE key = 'generation'`);
  if (Number(text(row, 'value')) === generation) return;
  throw new LeaseLost('a newer process of this orchestrator has taken the database over');
}
