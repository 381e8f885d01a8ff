import { existsSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { ALONE_FOLDER, DATABASE_FILE, explainDisk } from '../store/index.ts';
import { CliError } from './io.ts';

/**
 * Runs `work` while no other process can use the database. SQLite's own exclusive lock says so, whatever the other
 * process is (an orchestrator, a backup) and whichever container it is in; a process that starts meanwhile waits
 * for the lock, and gives up. Throws `CliError` when the database is in use, `StoreError` when the disk is full.
 */
export async function alone<T>(file: string, work: () => Promise<T>): Promise<T> {
  if (!existsSync(file)) return work();
  const db = explainDisk(dirname(file), () => locked(file));
  try {
    return await work();
  } finally {
    db?.close();
  }
}

/**
 * The lock is on the file, not on its name: taken by another name (a hard link), SQLite finds no write-ahead log
 * beside it, and so leaves the one of the database alone, which may be what a person wants to look at. The name is
 * gone once the lock is taken: a kill would leave it, and with it the disk space of a file that a person deletes.
 */
function locked(file: string): Sqlite.Database | undefined {
  const folder = mkdtempSync(join(dirname(file), ALONE_FOLDER));
  const link = join(folder, DATABASE_FILE);
  try {
    return hasLinks(file, link) ? lock(file, link) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without hard links there is only the port to go by. */
function hasLinks(file: string, link: string): boolean {
  try {
    linkSync(file, link);
    return true;
  } catch (error) {
    // An orchestrator that boots meanwhile removes the folder: that is no reason to go on without a lock.
    if (!existsSync(dirname(link))) throw error;
    return false;
  }
}

function lock(file: string, link: string): Sqlite.Database {
  const db = new Sqlite(link, { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN IMMEDIATE; ROLLBACK');
    return db;
  } catch (error) {
    const busy = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
    if (busy) {
      db.close();
      throw new CliError(`${file} is in use: stop the orchestrator, or wait for the backup that runs`);
    }
    // A damaged one has no lock, and is what a restore is for.
    return db;
  }
}
