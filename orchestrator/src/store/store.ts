import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { int, type Sql, text } from '@clawdbot/protocol';
import Sqlite, { type Database } from 'better-sqlite3';
import { explainDisk } from './disk.ts';
import { StoreError } from './error.ts';
import type { StorageHealth } from './health.ts';
import { BUSY_TIMEOUT_MS, type Inspected, inspect } from './inspect.ts';
import { LeaseLost } from './lease.ts';
import { MIGRATIONS } from './migrations.ts';
import { createSql } from './sql.ts';
import { DATABASE_FILE, refuseUnfinished, removeLeftovers } from './unfinished.ts';

export interface Store {
  /** Every transaction first checks that this process is still the newest one, and throws `LeaseLost` if not. */
  readonly sql: Sql;
  /** Raised at every boot: the newest process has the highest. */
  readonly generation: number;
  close(): void;
}

/**
 * Opens `<dataDir>/orchestrator.db`: checks without writing that it is whole and this orchestrator's own, migrates
 * it, takes it over from any other process by raising the generation, and removes what a killed restore has left.
 * Throws `StoreError`; also while a restore is unfinished, which has moved the database away.
 * @param health is told of every write that fails
 */
export function openStore(dataDir: string, orchestratorId: string, health?: StorageHealth): Store {
  return explainDisk(dataDir, () => {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = join(dataDir, DATABASE_FILE);
    const before = inodeOf(file);
    if (before !== undefined) refuseForeign(file, inspect(file), orchestratorId);
    else refuseUnfinished(dataDir);
    return open(file, orchestratorId, health, before);
  });
}

function open(
  file: string,
  orchestratorId: string,
  health: StorageHealth | undefined,
  before: number | undefined,
): Store {
  const db = new Sqlite(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    makeDurable(db);
    const store = takeOver(db, orchestratorId, health);
    removeLeftovers(dirname(file));
    if (before !== undefined && inodeOf(file) !== before) {
      throw new StoreError(`a restore has replaced ${file} while it was opened: start again`);
    }
    return store;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The file itself, whatever it is called now: a restore moves it, and puts another in its place. */
const inodeOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.ino;

/** What `openStore` does with a database that is open: migrates it, and raises the generation. */
export function takeOver(db: Database, orchestratorId: string, health?: StorageHealth): Store {
  const unguarded = createSql(db);
  migrate(unguarded);
  own(unguarded, orchestratorId);
  const generation = raiseGeneration(unguarded);
  const sql = createSql(db, {
    guard: () => holdLease(unguarded, generation),
    ...(health === undefined ? {} : { onFault: (error) => health.failed(error) }),
  });
  health?.watch(sql);
  return {
    sql,
    generation,
    close: () => {
      health?.stop();
      db.close();
    },
  };
}

/** Another's log and commands under this id would end in the edge's refusal, and in lost results. */
export function refuseForeign(file: string, { owner, version }: Inspected, orchestratorId: string): void {
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      `${file} has version ${version} and this program knows ${MIGRATIONS.length}: run the newer program, or put an older backup in its place: clawctl restore <backup>`,
    );
  }
  if (owner === undefined || owner === orchestratorId) return;
  throw new StoreError(
    `${file} is the database of ${owner}, not ${orchestratorId}: set DATA_DIR to a folder of its own, or ORCHESTRATOR_ID to ${owner}`,
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

/** Brings the tables to this program's version. */
export function migrate(sql: Sql): void {
  sql.transaction(() => {
    const version = int(sql.run('PRAGMA user_version')[0], 'user_version');
    if (version === MIGRATIONS.length) return;
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
