import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';

/**
 * Opens a copy: a reader's lock must not be what stops a writer. The WAL is copied first: what a checkpoint then
 * moves into the database is in that copy, too.
 */
export function readCopy<T>(file: string, use: (db: Database) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'evidence-'));
  try {
    const copy = join(dir, basename(file));
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    copyFileSync(file, copy);
    const db = new Sqlite(copy);
    try {
      return use(db);
    } finally {
      db.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
