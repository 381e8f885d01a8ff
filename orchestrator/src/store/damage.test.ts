import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATABASE_FILE, openStore, StoreError } from './index.ts';

let dir: string;
let file: string;
let crashed: Database | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'damage-'));
  file = join(dir, DATABASE_FILE);
});
afterEach(() => {
  crashed?.close();
  crashed = undefined;
  rmSync(dir, { recursive: true });
});

/** A whole database in one file, of some pages. */
function made(): void {
  const { sql, close } = openStore(dir, 'vps-1');
  sql.transaction(() => {
    for (let n = 0; n < 50; n++) sql.run(`INSERT INTO meta VALUES (?, ?)`, `key ${n}`, 'x'.repeat(1_000));
  });
  close();
}

const nothing = (): void => {};

const COMMITS = 5;
/** A folder as a crash leaves it: commits of the last process are in the write-ahead log alone. */
function crash(): void {
  made();
  const folder = join(dir, 'running');
  mkdirSync(folder);
  const running = join(folder, DATABASE_FILE);
  writeFileSync(running, readFileSync(file));
  crashed = new Sqlite(running);
  crashed.pragma('journal_mode = WAL');
  for (let n = 0; n < COMMITS; n++)
    crashed.exec(`INSERT INTO meta VALUES ('late ${n}', '${'y'.repeat(1_000)}')`);
  for (const part of ['', '-wal', '-shm']) writeFileSync(file + part, readFileSync(running + part));
  crashed.close();
  crashed = undefined;
  rmSync(folder, { recursive: true });
}

const late = (): number => {
  const store = openStore(dir, 'vps-1');
  const rows = store.sql.run(`SELECT key FROM meta WHERE key LIKE 'late %'`);
  store.close();
  return rows.length;
};

/** Every file below the folder, with a digest of what is in it. */
function contents(): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(dir, name);
      const bytes = statSync(path).isFile() ? readFileSync(path) : '';
      return `${name} ${createHash('sha256').update(bytes).digest('hex')}`;
    });
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const all = readFileSync(path);
  bytes.copy(all, at);
  writeFileSync(path, all);
}

const GARBAGE = Buffer.alloc(4_096, 0x5a);

describe('a database that is damaged', () => {
  it.each<[string, () => void, () => void]>([
    ['has pages of garbage', made, () => overwrite(file, 4_096, GARBAGE)],
    ['has garbage for a header', made, () => overwrite(file, 0, GARBAGE)],
    ['was cut off between two pages', made, () => truncateSync(file, 4_096 * 3)],
    ['was cut off within a page', made, () => truncateSync(file, 4_096 * 3 + 1_000)],
    ['is no database', nothing, () => writeFileSync(file, 'this was the wrong disk'.repeat(200))],
    ['is a folder', nothing, () => mkdirSync(file)],
    ['is damaged beside a log of commits', crash, () => overwrite(file, 4_096, GARBAGE)],
    ['is empty, and its log is not', crash, () => truncateSync(file, 0)],
    ['has a log whose header is garbage', crash, () => overwrite(`${file}-wal`, 0, GARBAGE.subarray(0, 32))],
    ['has a log that is garbage', crash, () => writeFileSync(`${file}-wal`, GARBAGE)],
    [
      'has a log in which a finished commit is damaged',
      crash,
      () => overwrite(`${file}-wal`, 200, GARBAGE.subarray(0, 8)),
    ],
  ])(
    'and %s is refused in one line with the way out, and not a byte is changed',
    (_what, prepare, damage) => {
      prepare();
      damage();
      const before = contents();
      expect(() => openStore(dir, 'vps-1')).toThrow(StoreError);
      expect(() => openStore(dir, 'vps-1')).toThrow(new RegExp(`^${file} [^\n]*clawctl restore <backup>$`));
      expect(contents()).toEqual(before);
    },
  );

  it('is not one that a crash has left: what was committed to its log is there', () => {
    crash();
    expect(late()).toBe(COMMITS);
  });

  it('is not one that a process was killed while it looked at', () => {
    crash();
    mkdirSync(join(dir, `.check-${process.pid}`));
    writeFileSync(join(dir, `.check-${process.pid}`, DATABASE_FILE), 'left');
    expect(late()).toBe(COMMITS);
    expect(contents().some((line) => line.startsWith('.check-'))).toBe(false);
  });

  it('is not one whose last commit a power cut has torn: that one was never acknowledged', () => {
    crash();
    const wal = `${file}-wal`;
    truncateSync(wal, statSync(wal).size - 100);
    expect(late()).toBe(COMMITS - 1);
  });

  it('is not one whose last commit reached the disk in the wrong order', () => {
    crash();
    const wal = `${file}-wal`;
    // Each commit of this table touches two pages or more; the frame before the last one is of the last commit.
    overwrite(wal, statSync(wal).size - 2 * (4_096 + 24) + 30, GARBAGE.subarray(0, 8));
    expect(late()).toBe(COMMITS - 1);
  });

  it('is looked at without a trace when it is another’s, too', () => {
    crash();
    const before = contents();
    expect(() => openStore(dir, 'vps-2')).toThrow('is the database of vps-1');
    expect(contents()).toEqual(before);
  });

  it('is not told apart by where it lies: a link to it is followed', () => {
    made();
    const linked = mkdtempSync(join(tmpdir(), 'damage-link-'));
    symlinkSync(dir, join(linked, 'data'));
    openStore(join(linked, 'data'), 'vps-1').close();
    rmSync(linked, { recursive: true });
  });
});
