import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sql } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { recordingLogger } from '../log.fixture.ts';
import { DATABASE_FILE, LeaseLost, openStore, StorageHealth, type Store, StoreError } from './index.ts';
import { MIGRATIONS } from './migrations.ts';

let dir: string;
let file: string;
let open: Store[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'store-'));
  file = join(dir, DATABASE_FILE);
  open = [];
});
afterEach(() => {
  for (const store of open) store.close();
  rmSync(dir, { recursive: true });
});

function opened(): Store {
  const store = openStore(dir, 'vps-1');
  open.push(store);
  return store;
}

/** Opens and closes it once, so that everything is in the one file. */
function made(): void {
  openStore(dir, 'vps-1').close();
}

describe('the store', () => {
  it('is durable across a power cut: WAL with synchronous=FULL, and foreign keys checked', () => {
    const { sql } = opened();
    expect(sql.run('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(sql.run('PRAGMA synchronous')).toEqual([{ synchronous: 2 }]);
    expect(sql.run('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
  });

  it('brings a database to the newest version once', () => {
    made();
    const { sql } = opened();
    expect(sql.run('PRAGMA user_version')).toEqual([{ user_version: MIGRATIONS.length }]);
  });

  it('raises the generation at every boot', () => {
    expect([opened().generation, opened().generation, opened().generation]).toEqual([1, 2, 3]);
  });

  it('is no store when a restore has put another database in its place while it was opened', () => {
    made();
    class Replaced extends StorageHealth {
      override watch(sql: Sql): void {
        super.watch(sql);
        renameSync(file, join(dir, 'moved.db'));
        copyFileSync(join(dir, 'moved.db'), file);
      }
    }
    const clock = { ...systemClock, after: () => () => {} };
    const health = new Replaced({ clock, log: recordingLogger().log, dataDir: dir, freeBytes: () => 1e9 });
    expect(() => openStore(dir, 'vps-1', health)).toThrow(/a restore has replaced .* start again/);
    expect(opened().generation).toBeGreaterThan(0);
  });

  it('commits nothing for a process that a newer one has followed, nor for a lone statement of it', () => {
    const older = opened();
    older.sql.run(`INSERT INTO meta VALUES ('before', '1')`);
    const newer = opened();
    expect(() => older.sql.run(`INSERT INTO meta VALUES ('late', '1')`)).toThrow(LeaseLost);
    expect(() => older.sql.transaction(() => older.sql.run(`DELETE FROM meta`))).toThrow(LeaseLost);
    expect(newer.sql.run(`SELECT key FROM meta ORDER BY key`)).toEqual([
      { key: 'before' },
      { key: 'generation' },
      { key: 'orchestrator_id' },
    ]);
    expect(older.sql.run(`SELECT count(*) AS n FROM meta`)).toEqual([{ n: 3 }]);
  });

  it('refuses a database of a newer version', () => {
    made();
    const db = new Sqlite(file);
    db.pragma('user_version = 99');
    db.close();
    expect(() => openStore(dir, 'vps-1')).toThrow(/version 99.*older backup.*clawctl restore/);
  });

  it('refuses the database of another orchestrator, and leaves it byte for byte', () => {
    made();
    const bytes = readFileSync(file);
    expect(() => openStore(dir, 'vps-2')).toThrow(StoreError);
    expect(() => openStore(dir, 'vps-2')).toThrow(
      /orchestrator.db is the database of vps-1, not vps-2: set DATA_DIR [^\n]+$/,
    );
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(opened().generation).toBe(2);
  });

  it('takes over a database that does not say whose it is, and one without a table', () => {
    new Sqlite(file).close();
    const { sql } = opened();
    sql.run(`DELETE FROM meta WHERE key = 'orchestrator_id'`);
    openStore(dir, 'vps-2').close();
    expect(() => openStore(dir, 'vps-1')).toThrow(/the database of vps-2/);
  });
});
