import type { Sql } from '@clawdbot/protocol';
import Sqlite, { type Database } from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { createSql, isStorageFault, StorageHealth } from './index.ts';

const GIB = 1024 ** 3;

let clock: ManualClock;
let db: Database;
let sql: Sql;
let health: StorageHealth;
let lines: string[];
let free: number;

beforeEach(() => {
  const recording = recordingLogger();
  lines = recording.lines;
  clock = new ManualClock();
  free = GIB;
  health = new StorageHealth({ clock, log: recording.log, dataDir: '/data', freeBytes: () => free });
  db = new Sqlite(':memory:');
  sql = createSql(db, { onFault: (error) => health.failed(error) });
  health.watch(sql);
  sql.run('CREATE TABLE meta (key TEXT PRIMARY KEY, value)');
});

const fill = (): void => void db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`);
const room = (): void => void db.pragma('max_page_count = 1000000');
const write = (): void =>
  void sql.run(`INSERT INTO meta VALUES (?, ?)`, `key ${Math.random()}`, 'x'.repeat(10_000));

describe('StorageHealth', () => {
  it('is ok until a write fails for want of room, says so once, and finds by itself that there is room', () => {
    write();
    expect(health.value.state).toBe('ok');
    fill();
    free = 0;
    for (let n = 0; n < 3; n++) expect(write).toThrow(/full/);
    clock.pass(10_000);
    expect(health.value).toMatchObject({
      state: 'full',
      detail: expect.stringMatching(/\/data is full: make room/),
    });
    room();
    free = GIB;
    clock.pass(2_000);
    expect([health.value.state, clock.timers]).toEqual(['ok', 0]);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['error', 'info']);
  });

  it('stays full while a small write passes and the next batch would not', () => {
    fill();
    expect(write).toThrow();
    room();
    free = 100_000;
    clock.pass(10_000);
    expect(health.value.state).toBe('full');
    free = GIB;
    clock.pass(2_000);
    expect(health.value.state).toBe('ok');
  });

  it('is failing when the disk does not write for another reason', () => {
    db.pragma('query_only = ON');
    expect(write).toThrow();
    expect(health.value).toMatchObject({ state: 'failing', detail: expect.stringContaining('readonly') });
    db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(health.value.state).toBe('ok');
  });

  it('takes no mistake of ours for a fault of the disk', () => {
    for (const wrong of [`INSERT INTO meta VALUES ('a')`, `SELECT nothing`]) {
      expect(() => sql.run(wrong)).toThrow();
    }
    sql.run(`INSERT INTO meta VALUES ('a', 1)`);
    expect(() => sql.run(`INSERT INTO meta VALUES ('a', 1)`)).toThrow(
      expect.toSatisfy((error) => !isStorageFault(error)),
    );
    expect(health.value.state).toBe('ok');
  });

  it('leaves no timer behind', () => {
    fill();
    expect(write).toThrow();
    health.stop();
    expect(clock.timers).toBe(0);
  });
});

describe('a transaction that SQLite has rolled back by itself', () => {
  it('commits nothing of what follows in it, even when its failure was caught', () => {
    expect(() =>
      sql.transaction(() => {
        db.exec('ROLLBACK');
        sql.run(`INSERT INTO meta VALUES ('late', 1)`);
      }),
    ).toThrow('rolled back');
    expect(() => sql.transaction(() => db.exec('ROLLBACK'))).toThrow('rolled back');
    expect(sql.run(`SELECT * FROM meta`)).toEqual([]);
  });
});
