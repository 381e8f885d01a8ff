import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { int, Outbox, type Positions } from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ALONE_FOLDER,
  awaitsResync,
  backupDatabase,
  beginMove,
  DATABASE_FILE,
  endRestore,
  openStore,
  RESTORE_FOLDER,
  type RestoreOptions,
  restoreDatabase,
  type Store,
  StoreError,
  UNFINISHED_FILE,
} from './index.ts';

let dir: string;
let dataDir: string;
let backup: string;
let logs: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'restore-'));
  dataDir = join(dir, 'data');
  backup = join(dir, 'backup.db');
  logs = 0;
});
afterEach(() => rmSync(dir, { recursive: true }));

const newLogId = (): string => `log-${String(++logs).padStart(8, '0')}`;
const outboxOf = ({ sql }: Store): Outbox =>
  new Outbox({ sql, log: 'control', now: () => 1, newLogId, lazyPositions: true });

/** Opens the store, does something, and closes it. */
function during<T>(work: (store: Store) => T): T {
  const store = openStore(dataDir, 'vps-1');
  try {
    return work(store);
  } finally {
    store.close();
  }
}

const append = (count: number): Positions['logId'] =>
  during((store) => {
    const outbox = outboxOf(store);
    for (let n = 0; n < count; n++) outbox.append(`entry ${n}`);
    return outbox.logId;
  });

const restore = (more: Partial<RestoreOptions> = {}) =>
  restoreDatabase({
    ...{ dataDir, orchestratorId: 'vps-1', backup, generation: 41, newLogId },
    now: () => NOW,
    ...more,
  });
const NOW = Date.UTC(2026, 10, 23, 12, 30, 5);
const KEPT = 'before-restore-2026-11-23T12-30-05-000Z';

const names = (): string[] => readdirSync(dataDir).sort();

describe('a backup', () => {
  it('is one whole file as of one moment, made while the orchestrator writes', async () => {
    append(3);
    const store = openStore(dataDir, 'vps-1');
    const outbox = outboxOf(store);
    const made = backupDatabase(dataDir, backup);
    outbox.append('meanwhile');
    expect(await made).toBeGreaterThan(4_096);
    outbox.append('later');
    store.close();
    expect(readdirSync(dir).sort()).toEqual(['backup.db', 'data']);
    restore();
    expect(during((restored) => outboxOf(restored).position().last)).toBeLessThan(5);
  });

  it('never overwrites a file, and leaves none behind that is not whole', async () => {
    append(1);
    writeFileSync(backup, 'kept');
    await expect(backupDatabase(dataDir, backup)).rejects.toThrow(/backup\.db exists: name a new file/);
    expect(readFileSync(backup, 'utf8')).toBe('kept');
    const nowhere = join(dir, 'nowhere', 'backup.db');
    await expect(backupDatabase(dataDir, nowhere)).rejects.toThrow(/nowhere/);
    await expect(backupDatabase(join(dir, 'empty'), join(dir, 'b'))).rejects.toThrow('there is no database');
  });
});

describe('a restore', () => {
  it('continues both logs under new names, boots behind the last generation, and awaits the edge’s word', async () => {
    const logId = append(3);
    await backupDatabase(dataDir, backup);
    append(2);
    restore({ peerLogId: logId });
    during((store) => {
      const { sql, generation } = store;
      expect(generation).toBe(42);
      expect(outboxOf(store).position()).toMatchObject({
        continues: { logId, seq: 3 },
        last: 3,
        logId: expect.not.stringMatching(logId),
      });
      const [row] = sql.run(`SELECT COUNT(*) AS n FROM log_state WHERE parent_log_id IS NOT NULL`);
      expect(int(row, 'n')).toBe(2);
      expect(awaitsResync(sql)).toBe(true);
      endRestore(sql);
      expect(awaitsResync(sql)).toBe(false);
    });
  });

  it('has deployments that were open look for traces of themselves: they may have run since', async () => {
    during(({ sql }) => {
      const insert = `INSERT INTO commands (id, type, site_id, key, origin, body, state, created_at)
        VALUES (?1, ?2, 'shop', ?1, 'edge', '{"name":"a"}', ?3, 0)`;
      sql.run(insert, 'open', 'deploy_worker', 'pending');
      sql.run(insert, 'ended', 'deploy_worker', 'done');
      sql.run(insert, 'config', 'update_config', 'pending');
      const entry = `INSERT INTO log_inbox (log, log_id, seq, at, body) VALUES ('control', 'e', ?, 0, ?)`;
      sql.run(entry, 1, '{"type":"deploy_worker"}');
      sql.run(entry, 2, 'no JSON');
    });
    await backupDatabase(dataDir, backup);
    restore();
    const marked = during(({ sql }) => [
      ...sql.run(`SELECT id AS it FROM commands WHERE body ->> 'again'`),
      ...sql.run(`SELECT seq AS it FROM log_inbox WHERE json_valid(body) AND body ->> 'again'`),
    ]);
    expect(marked).toEqual([{ it: 'open' }, { it: 1 }]);
  });

  it('keeps what was there, in a folder with the time in its name, and leaves nothing else', async () => {
    append(1);
    await backupDatabase(dataDir, backup);
    writeFileSync(join(dataDir, `${DATABASE_FILE}-wal`), '');
    writeFileSync(join(dataDir, `${DATABASE_FILE}-shm`), 'x');
    const aside = ['', '-shm', '-wal'].map((part) => join(dataDir, KEPT, DATABASE_FILE + part));
    expect(restore().aside).toEqual(aside);
    expect(names()).toEqual([KEPT, DATABASE_FILE]);
  });

  it('takes the database itself, and a copy of it with its log', async () => {
    append(2);
    restore({ backup: join(dataDir, DATABASE_FILE) });
    expect(during((store) => store.generation)).toBe(42);
    const store = openStore(dataDir, 'vps-1');
    outboxOf(store).append('in the log alone');
    for (const part of ['', '-wal']) {
      writeFileSync(backup + part, readFileSync(join(dataDir, DATABASE_FILE + part)));
    }
    store.close();
    restore({ now: () => NOW + 1 });
    expect(during((restored) => outboxOf(restored).position().last)).toBe(3);
  });

  it('into an empty folder has nothing to keep', async () => {
    append(1);
    await backupDatabase(dataDir, backup);
    rmSync(dataDir, { recursive: true });
    mkdirSync(dataDir);
    expect(restore()).toEqual({ aside: [] });
    expect(during(({ generation }) => generation)).toBe(42);
  });

  it.each<[string, () => void, string]>([
    ['is not there', () => rmSync(backup), 'there is no backup'],
    ['is damaged', () => writeFileSync(backup, 'x'.repeat(9_000)), 'backup.db is damaged'],
    ['is cut off', () => writeFileSync(backup, readFileSync(backup).subarray(0, 9_000)), 'is damaged'],
    ['is empty', () => writeFileSync(backup, ''), 'not a database of an orchestrator'],
  ])('of a backup that %s is refused, and all is as it was', async (_what, damage, why) => {
    append(1);
    await backupDatabase(dataDir, backup);
    damage();
    const before = readFileSync(join(dataDir, DATABASE_FILE));
    expect(() => restore()).toThrow(StoreError);
    expect(() => restore()).toThrow(why);
    expect(names()).toEqual([DATABASE_FILE]);
    expect(readFileSync(join(dataDir, DATABASE_FILE)).equals(before)).toBe(true);
  });

  it('of another orchestrator’s backup is refused', async () => {
    append(1);
    await backupDatabase(dataDir, backup);
    expect(() => restore({ orchestratorId: 'vps-2' })).toThrow('is the database of vps-1');
  });

  it('that was cut off before the backup had its place is said at the next boot, and may be repeated', async () => {
    append(1);
    await backupDatabase(dataDir, backup);
    rmSync(join(dataDir, DATABASE_FILE));
    mkdirSync(join(dataDir, RESTORE_FOLDER));
    expect(() => openStore(dataDir, 'vps-1')).toThrow(/cut off: run clawctl restore/);
    expect(existsSync(join(dataDir, DATABASE_FILE))).toBe(false);
    restore();
    expect(during(({ generation }) => generation)).toBe(42);
  });
});

/** A folder as a restore leaves it that was killed when it had moved `parts` of the database away. */
function cutOff(parts: readonly string[]): void {
  mkdirSync(join(dataDir, RESTORE_FOLDER));
  writeFileSync(join(dataDir, RESTORE_FOLDER, DATABASE_FILE), 'half a copy');
  const folder = beginMove(dataDir, NOW);
  for (const part of parts) {
    renameSync(join(dataDir, DATABASE_FILE + part), join(folder, DATABASE_FILE + part));
  }
}

/** A database with 3 entries, the last of which is in its log alone, and a backup with the first. */
async function crashedBeforeRestore(): Promise<void> {
  append(1);
  await backupDatabase(dataDir, backup);
  append(1);
  const store = openStore(dataDir, 'vps-1');
  outboxOf(store).append('in the log alone');
  const files = ['', '-wal'].map((part) => join(dataDir, DATABASE_FILE + part));
  const bytes = files.map((file) => readFileSync(file));
  store.close();
  files.forEach((file, n) => {
    writeFileSync(file, bytes[n] ?? '');
  });
}

describe('a restore that was killed', () => {
  it('when the database was away still keeps an empty one from booting after a second one has failed', async () => {
    await crashedBeforeRestore();
    cutOff(['', '-wal']);
    const damaged = join(dir, 'damaged.db');
    writeFileSync(damaged, 'x'.repeat(9_000));
    expect(() => restore({ backup: damaged })).toThrow('is damaged');
    expect(() => openStore(dataDir, 'vps-1')).toThrow(/cut off: run clawctl restore <backup>/);
    expect(names()).toEqual([KEPT, UNFINISHED_FILE]);
    restore();
    expect(names()).toEqual([KEPT, DATABASE_FILE]);
  });

  it('between the database and its log is completed: the two are kept together, and none is lost', async () => {
    await crashedBeforeRestore();
    cutOff(['']);
    const kept = join(dataDir, KEPT, DATABASE_FILE);
    expect(restore({ now: () => NOW + 60_000 }).aside).toEqual([kept, `${kept}-wal`]);
    expect(names()).toEqual([KEPT, DATABASE_FILE]);
    restore({ backup: kept, now: () => NOW + 120_000 });
    expect(during((store) => outboxOf(store).position().last)).toBe(3);
  });

  it('between the database and its log may be undone with what it has kept', async () => {
    await crashedBeforeRestore();
    cutOff(['']);
    restore({ backup: join(dataDir, KEPT, DATABASE_FILE) });
    expect(during((store) => outboxOf(store).position().last)).toBe(3);
  });

  it('before it had moved anything leaves the database to boot, which removes what is left', async () => {
    await crashedBeforeRestore();
    cutOff([]);
    mkdirSync(join(dataDir, `${ALONE_FOLDER}x`));
    linkSync(join(dataDir, DATABASE_FILE), join(dataDir, `${ALONE_FOLDER}x`, DATABASE_FILE));
    expect(during((store) => outboxOf(store).position().last)).toBe(3);
    expect(names()).toEqual([KEPT, DATABASE_FILE]);
    expect(statSync(join(dataDir, DATABASE_FILE)).nlink).toBe(1);
  });

  it('when the backup had its place never mixes two databases in one folder', async () => {
    await crashedBeforeRestore();
    cutOff(['', '-wal']);
    writeFileSync(join(dataDir, DATABASE_FILE), 'restored');
    const { aside } = restore({ now: () => NOW + 1 });
    expect(aside.map((path) => readFileSync(path, 'utf8'))).toEqual(['restored']);
    expect(readdirSync(join(dataDir, KEPT))).toEqual([DATABASE_FILE, `${DATABASE_FILE}-wal`]);
  });
});
