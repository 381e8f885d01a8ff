import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { explainDisk } from './disk.ts';
import { StoreError } from './error.ts';
import { BUSY_TIMEOUT_MS, inspect } from './inspect.ts';
import { DATABASE_FILE } from './unfinished.ts';

/** All pages in one step: a copy in several begins anew whenever the orchestrator writes in between. */
const ALL_PAGES = 0x7fff_ffff;

/**
 * Copies the database to `file`, whole and as of one moment, while the orchestrator goes on. The copy is checked
 * before it gets its name. Throws `StoreError`. @returns its size in bytes
 */
export async function backupDatabase(dataDir: string, file: string): Promise<number> {
  const source = join(dataDir, DATABASE_FILE);
  if (!existsSync(source)) throw new StoreError(`there is no database ${source}`);
  if (existsSync(file)) throw new StoreError(`${file} exists: name a new file`);
  if (!existsSync(dirname(file))) throw new StoreError(`there is no folder ${dirname(file)}`);
  inspect(source);
  const partial = `${file}.partial`;
  try {
    await copyOnline(source, partial);
    explainDisk(dirname(file), () => check(partial, source));
    renameSync(partial, file);
    return statSync(file).size;
  } catch (error) {
    return explainDisk(dirname(file), () => {
      throw error;
    });
  } finally {
    for (const part of ['', '-journal', '-wal', '-shm']) rmSync(partial + part, { force: true });
  }
}

async function copyOnline(source: string, to: string): Promise<void> {
  // Not read-only: of a database that nobody else has open, that would leave an index of its log behind.
  const db = new Sqlite(source, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    await db.backup(to, { progress: () => ALL_PAGES });
  } finally {
    db.close();
  }
}

function check(copy: string, source: string): void {
  const db = new Sqlite(copy);
  try {
    const report = db.pragma('integrity_check(1)', { simple: true });
    if (report !== 'ok') throw new StoreError(`${source} is damaged (${report}): its copy was not kept`);
    // One file, that can be read without leaving others beside it.
    db.pragma('journal_mode = DELETE');
  } finally {
    db.close();
  }
}
