import { accessSync, constants, existsSync, linkSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { text } from '@clawdbot/protocol';
import Sqlite, { type Database } from 'better-sqlite3';
import { StoreError } from './error.ts';
import { isStorageFault } from './fault.ts';
import { createSql } from './sql.ts';
import { isWalDamaged } from './wal.ts';

/** How long a statement waits for another process's write, e.g. a backup's or a predecessor's last one. */
export const BUSY_TIMEOUT_MS = 5_000;
/** Looks at a database that is found damaged, in case another process was just writing it. */
const LOOKS = 3;

/** What a database says of itself. */
export interface Inspected {
  /** Whose it is; undefined when no orchestrator has opened it. */
  readonly owner: string | undefined;
  /** Of its tables. */
  readonly version: number;
}

/**
 * Reads all of a database, its write-ahead log included, and changes nothing: SQLite would leave an index of the
 * log beside the file that it opens, so it is given other names (hard links) of the same files.
 * Throws `StoreError` when it is damaged or cannot be read.
 */
export function inspect(file: string): Inspected {
  refuseOtherKinds(file);
  const folder = join(dirname(file), `${CHECK_FOLDER}${process.pid}`);
  try {
    const linked = link(file, folder);
    for (let look = 1; ; look++) {
      try {
        return read(linked ?? file);
      } catch (error) {
        if (!isDamage(error)) throw error;
        if (look === LOOKS) throw damaged(file, error);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Named after the process, since a successor may look while its predecessor does. */
const CHECK_FOLDER = '.check-';

function refuseOtherKinds(file: string): void {
  const stat = statSync(file);
  if (!stat.isFile()) {
    throw new StoreError(
      `${file} is not a file: nothing was changed; put a backup in its place: clawctl restore <backup>`,
    );
  }
  accessSync(file, constants.R_OK | constants.W_OK);
  const wal = `${file}-wal`;
  if (stat.size === 0 && existsSync(wal) && statSync(wal).size > 0) {
    throw damaged(file, new Error('it is empty, and its write-ahead log is not'));
  }
}

/** @returns the database under another name; undefined where the file system has no hard links */
function link(file: string, folder: string): string | undefined {
  const linked = join(folder, basename(file));
  try {
    // A process that was killed while it looked has left it; in a container its successor has the same number.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    linkSync(file, linked);
    if (existsSync(`${file}-wal`)) linkSync(`${file}-wal`, `${linked}-wal`);
    return linked;
  } catch (error) {
    if (error instanceof Error && 'code' in error && NO_LINKS.has(String(error.code))) return undefined;
    throw error;
  }
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

function read(file: string): Inspected {
  if (existsSync(`${file}-wal`) && isWalDamaged(`${file}-wal`)) {
    throw new Error('commits in its write-ahead log are damaged');
  }
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    const report = db.pragma('quick_check(1)', { simple: true });
    if (report !== 'ok') throw new Error(String(report));
    return { owner: ownerIn(db), version: Number(db.pragma('user_version', { simple: true })) };
  } finally {
    db?.close();
  }
}

function ownerIn(db: Database): string | undefined {
  const sql = createSql(db);
  // A first boot may have ended before it made any table.
  if (sql.run(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).length === 0) return undefined;
  const [row] = sql.run(`SELECT value FROM meta WHERE key = 'orchestrator_id'`);
  return row === undefined ? undefined : text(row, 'value');
}

/** Not that the disk has no room for SQLite's index of the log, or does not answer. */
const isDamage = (error: unknown): boolean =>
  !isStorageFault(error) || /^SQLITE_(?:CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(error.code);

function damaged(file: string, error: unknown): StoreError {
  const why = error instanceof Error ? error.message : String(error);
  return new StoreError(
    `${file} is damaged (${why.replaceAll('\n', ' ')}): nothing was changed; put a backup in its place: clawctl restore <backup>`,
    { cause: error },
  );
}
