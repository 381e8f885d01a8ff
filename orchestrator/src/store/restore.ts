import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type LogName, Outbox, type Sql } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { explainDisk } from './disk.ts';
import { StoreError } from './error.ts';
import { inspect } from './inspect.ts';
import { createSql } from './sql.ts';
import { migrate, refuseForeign } from './store.ts';
import {
  beginMove,
  DATABASE_FILE,
  moveAside,
  RESTORE_FOLDER,
  sync,
  UNFINISHED_FILE,
  unfinishedFolder,
} from './unfinished.ts';

export interface RestoreOptions {
  readonly dataDir: string;
  readonly orchestratorId: string;
  /** A file that `backupDatabase` has made, or a copy of a database with its `-wal` file beside it. */
  readonly backup: string;
  /** The last one that the edge knows: the next boot has one more. */
  readonly generation: number;
  /** The control log of this orchestrator that the edge follows, if it follows one. */
  readonly peerLogId?: string;
  readonly newLogId: () => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Restored {
  /** Where the files are that were in the database's place, before an unfinished restore, too: none is deleted. */
  readonly aside: readonly string[];
}

/**
 * Puts a backup in the place of the database, as a new one that continues the logs of the old: what the edge has
 * seen of the lost one is not taken for what is written from here on, and no command is run before the edge has
 * said which of them have ended (`awaitsResync`). No process may use the database. Throws `StoreError`, and then
 * the present files are where they were; those of an unfinished restore are all in the folder that it has made.
 */
export function restoreDatabase(options: RestoreOptions): Restored {
  const { dataDir, backup, now } = options;
  if (!existsSync(backup)) throw new StoreError(`there is no backup ${backup}`);
  const folder = join(dataDir, RESTORE_FOLDER);
  const prepared = join(folder, DATABASE_FILE);
  return explainDisk(dataDir, () => {
    const begun = unfinishedFolder(dataDir);
    // First, since what it keeps may be the backup: a database is not whole without its log.
    if (begun !== undefined) moveAside(dataDir, begun);
    rmSync(folder, { recursive: true, force: true });
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      copy(backup, prepared);
      prepare(prepared, options);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    const aside = moveAside(dataDir, begun ?? beginMove(dataDir, now()));
    renameSync(prepared, join(dataDir, DATABASE_FILE));
    sync(dataDir);
    rmSync(join(dataDir, UNFINISHED_FILE));
    rmSync(folder, { recursive: true });
    return { aside };
  });
}

function copy(backup: string, to: string): void {
  if (!statSync(backup).isFile()) throw new StoreError(`${backup} is not a file`);
  for (const part of ['', '-wal']) if (existsSync(backup + part)) copyFile(backup + part, to + part);
}

/**
 * By another process: the backup may be the very database that whoever restores has locked, and POSIX takes all locks
 * on a file from a process that closes any descriptor of it (fcntl(2); https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
function copyFile(from: string, to: string): void {
  const { stdout, error } = spawnSync(process.execPath, ['-e', COPY, from, to], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (stdout === '') return;
  const failed: { readonly code: string; readonly message: string } = JSON.parse(stdout);
  throw Object.assign(new Error(failed.message), { code: failed.code, syscall: 'copyfile' });
}

const COPY = `
  try { require('node:fs').copyFileSync(...process.argv.slice(1)); }
  catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }`;

function prepare(file: string, options: RestoreOptions): void {
  const { backup, orchestratorId } = options;
  const inspected = inspectCopy(file, backup);
  refuseForeign(backup, inspected, orchestratorId);
  if (inspected.owner === undefined) throw new StoreError(`${backup} is not a database of an orchestrator`);
  const db = new Sqlite(file);
  try {
    const report = db.pragma('integrity_check(1)', { simple: true });
    if (report !== 'ok') throw new StoreError(`${backup} is damaged (${report}): take another backup`);
    const sql = createSql(db);
    sql.transaction(() => continueLogs(sql, options));
    // One file from here on: a log beside it would have to move with it in one step.
    db.pragma('journal_mode = DELETE');
  } finally {
    db.close();
  }
  sync(file);
}

/** What is wrong is said of the backup, not of our copy of it. */
function inspectCopy(file: string, backup: string) {
  try {
    return inspect(file);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const [, why] = /\((.*)\)/.exec(error.message) ?? [];
    throw new StoreError(`${backup} is damaged (${why ?? error.message}): take another backup`, {
      cause: error,
    });
  }
}

const LOGS: readonly LogName[] = ['control', 'queue'];

/** What `restoreDatabase` does with the copy, in the caller's transaction. */
export function continueLogs(
  sql: Sql,
  { generation, peerLogId, newLogId, now }: Omit<RestoreOptions, 'dataDir' | 'orchestratorId' | 'backup'>,
): void {
  migrate(sql);
  sql.run(
    `INSERT INTO meta VALUES ('generation', ?1)
     ON CONFLICT (key) DO UPDATE SET value = CAST(MAX(CAST(value AS INTEGER), CAST(?1 AS INTEGER)) AS TEXT)`,
    String(generation),
  );
  for (const log of LOGS) {
    const outbox = new Outbox({ sql, log, now, newLogId, lazyPositions: true });
    outbox.renew(newLogId(), log === 'control' ? peerLogId : undefined);
  }
  for (const statement of MARK_DEPLOYMENTS) sql.run(statement);
  sql.run(`INSERT OR REPLACE INTO meta VALUES ('restored', ?)`, String(now()));
}

/**
 * What waited when the copy was made may have run since, and the edge may not have heard of it: it looks for traces of
 * itself first, as one that the edge offers again does. Its entry may still wait to be handled, or be a dead letter.
 */
const MARK_DEPLOYMENTS = [
  `UPDATE commands SET body = json_set(body, '$.again', json('true'))
   WHERE state <> 'done' AND type IN ('deploy_worker', 'rollback_worker')`,
  `UPDATE log_inbox SET body = json_set(body, '$.again', json('true'))
   WHERE CASE WHEN json_valid(body) THEN body ->> 'type' END IN ('deploy_worker', 'rollback_worker')`,
];

/** Whether this is a restored database, and the edge has not said yet which commands have ended meanwhile. */
export const awaitsResync = (sql: Sql): boolean =>
  sql.run(`SELECT 1 FROM meta WHERE key = 'restored'`).length > 0;

/** The edge has said it: in the transaction that writes down what it said. */
export function endRestore(sql: Sql): void {
  sql.run(`DELETE FROM meta WHERE key = 'restored'`);
}
