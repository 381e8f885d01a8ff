import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './error.ts';

export const DATABASE_FILE = 'orchestrator.db';
/** Holds a backup on its way to the database's place. */
export const RESTORE_FOLDER = '.restore';
/** Holds, for a moment, another name of the database that a restore locks. */
export const ALONE_FOLDER = '.alone-';
/**
 * Is there from before a restore moves the database away until the backup has its place, and holds the name of the
 * folder it moves to. With a database in place it says nothing: the restore had moved nothing yet, or had ended, or
 * a person has moved the database back.
 */
export const UNFINISHED_FILE = 'restore-unfinished';

/** An empty database would be refused by the edge, and hide that there is a whole one. */
export function refuseUnfinished(dataDir: string): void {
  if (![UNFINISHED_FILE, RESTORE_FOLDER].some((name) => existsSync(join(dataDir, name)))) return;
  throw new StoreError(`a restore of ${dataDir} was cut off: run clawctl restore <backup> again`);
}

/** The folder to which a restore that was cut off was moving the database. */
export function unfinishedFolder(dataDir: string): string | undefined {
  const marker = join(dataDir, UNFINISHED_FILE);
  if (existsSync(join(dataDir, DATABASE_FILE)) || !existsSync(marker)) return undefined;
  return join(dataDir, readFileSync(marker, 'utf8'));
}

/** Makes the folder for what is in the database's place, and says that from here on the database may be missing. */
export function beginMove(dataDir: string, now: number): string {
  const name = `before-restore-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`;
  mkdirSync(join(dataDir, name), { mode: 0o700 });
  const marker = join(dataDir, RESTORE_FOLDER, UNFINISHED_FILE);
  writeFileSync(marker, name);
  sync(marker);
  renameSync(marker, join(dataDir, UNFINISHED_FILE));
  sync(dataDir);
  return join(dataDir, name);
}

/**
 * The database before its log: while it is in its place, its log is, too. Moves what an earlier restore has not.
 * @returns all files that are kept in the folder
 */
export function moveAside(dataDir: string, folder: string): string[] {
  // A person may have moved the folder since.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const part of ['', '-wal', '-shm']) {
    const place = join(dataDir, DATABASE_FILE + part);
    if (!existsSync(place)) continue;
    renameSync(place, join(folder, DATABASE_FILE + part));
    sync(folder);
    sync(dataDir);
  }
  const kept = readdirSync(folder).sort();
  if (kept.length === 0) rmSync(folder, { recursive: true });
  return kept.map((name) => join(folder, name));
}

/**
 * Removes what a killed restore has left. For a process that has the database open: then no restore is alone with
 * it, and one that tries is refused.
 */
export function removeLeftovers(dataDir: string): void {
  // Moved away while we waited for the lock: what is there is a restore's.
  if (!existsSync(join(dataDir, DATABASE_FILE))) refuseUnfinished(dataDir);
  for (const name of readdirSync(dataDir)) {
    if (name === RESTORE_FOLDER || name === UNFINISHED_FILE || name.startsWith(ALONE_FOLDER)) {
      rmSync(join(dataDir, name), { recursive: true, force: true });
    }
  }
}

/** Waits until a file, or what a folder names, is on the disk. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
