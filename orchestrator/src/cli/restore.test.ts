import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { orchestratorClaims } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import jwt from 'jsonwebtoken';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ALONE_FOLDER, awaitsResync, DATABASE_FILE, openStore, restoreDatabase } from '../store/index.ts';
import { alone } from './alone.ts';
import { type Answer, clawctl, folder, problem } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

let root: string;
let env: Record<string, string>;
let data: string;

beforeEach(() => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  root = folder({});
  data = join(root, 'data');
  const KEY_FILE = join(root, 'key.pem');
  writeFileSync(KEY_FILE, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  env = { ORCHESTRATOR_ID: 'vps-1', EDGE_URL: 'https://edge.example', KEY_FILE, DATA_DIR: data, PORT: '0' };
});

const standing = {
  generation: 7,
  instanceId: 'instance-1',
  control: { peerLogId: 'log_of_edge', applied: 9 },
};
const edge = (answer: Answer = () => standing) => ({ 'GET /channel/state': [answer] });
const run = (args: string[], answer?: Answer) =>
  clawctl(args, edge(answer), {
    env,
    cwd: root,
    now: () => Date.parse('2026-11-01T10:00:00Z'),
    newId: () => 'jti-12345678',
  });

/** A boot that leaves this behind. */
function live(note: string): void {
  const store = openStore(data, 'vps-1');
  store.sql.run(`INSERT OR REPLACE INTO meta VALUES ('note', ?)`, note);
  store.close();
}
const away = (): never => {
  throw new TypeError('fetch failed');
};
const notes = (): unknown => {
  const store = openStore(data, 'vps-1');
  onTestFinished(() => store.close());
  const [row] = store.sql.run(`SELECT value FROM meta WHERE key = 'note'`);
  return { note: row?.['value'], generation: store.generation, held: awaitsResync(store.sql) };
};
const files = () => readdirSync(data).sort();

/** A database, and a file where its backup would go. */
function inTheWay(): void {
  live('x');
  writeFileSync(join(root, 'a.db'), 'mine');
}

describe('backup', () => {
  it('is one whole file, made while the orchestrator runs', async () => {
    const store = openStore(data, 'vps-1');
    store.sql.run(`INSERT INTO meta VALUES ('note', 'kept')`);
    const { out, error } = await run(['backup', 'a.db']);
    expect(error).toBeUndefined();
    expect(out).toMatch(new RegExp(`^${join(root, 'a.db')}: \\d+ KiB, checked, all of vps-1`));
    store.close();
    const json = JSON.parse((await run(['--json', 'backup', 'b.db'])).out);
    expect(json).toEqual({ file: join(root, 'b.db'), bytes: readFileSync(join(root, 'b.db')).length });
  });

  it.each([
    ['there is no database', () => {}, /there is no database/],
    ['the file exists', inTheWay, /exists: name a new/],
  ])('is refused in one sentence when %s', async (_what, prepare, message) => {
    prepare();
    const { error } = await run(['backup', 'a.db']);
    expect(error).toBeInstanceOf(CliError);
    expect(String(error)).toMatch(message);
  });

  it('names the variable that is missing', async () => {
    delete env['DATA_DIR'];
    expect(String((await run(['backup', 'a.db'])).error)).toMatch(/DATA_DIR is missing: set it/);
  });
});

describe('restore', () => {
  beforeEach(async () => {
    live('of the backup');
    await run(['backup', 'a.db']);
    live('lost');
  });

  it('puts the backup back as the next generation, keeps what was there, and says what comes next', async () => {
    const before = readFileSync(join(data, DATABASE_FILE));
    const { out, error, seen } = await run(['restore', 'a.db']);
    expect(error).toBeUndefined();
    const aside = join(data, 'before-restore-2026-11-01T10-00-00-000Z', DATABASE_FILE);
    expect(out.split('\n')).toEqual([
      `restored vps-1 from ${join(root, 'a.db')}`,
      `kept what was there: ${aside}`,
      expect.stringMatching(/^next: start the orchestrator; as generation 8/),
    ]);
    expect(readFileSync(aside).equals(before)).toBe(true);
    expect(notes()).toEqual({ note: 'of the backup', generation: 8, held: true });
    const token = /^Bearer (.+)$/.exec(seen[0]?.headers.get('authorization') ?? '')?.[1] ?? '';
    expect(orchestratorClaims.parse(jwt.decode(token))).toMatchObject({
      sub: 'vps-1',
      aud: 'channel:vps-1:0',
      jti: 'jti-12345678',
    });
  });

  it('puts it in the place of a database that is damaged, or gone', async () => {
    writeFileSync(join(data, DATABASE_FILE), 'this was the wrong disk'.repeat(400));
    expect((await run(['restore', 'a.db'])).error).toBeUndefined();
    expect(notes()).toMatchObject({ note: 'of the backup' });
    env['DATA_DIR'] = data = join(root, 'new');
    const { out, error } = await run(['--json', 'restore', 'a.db']);
    expect(error).toBeUndefined();
    expect(JSON.parse(out)).toEqual({
      restored: join(root, 'a.db'),
      orchestratorId: 'vps-1',
      generation: 8,
      aside: [],
    });
    expect(notes()).toMatchObject({ note: 'of the backup' });
  });

  it('is refused while another process has the database open, and while one listens on PORT', async () => {
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import Sqlite from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};
       const db = new Sqlite(${JSON.stringify(join(data, DATABASE_FILE))});
       db.prepare('SELECT 1 FROM meta').all();
       console.log('open');
       process.stdin.resume().on('end', () => db.close());`,
    ]);
    await once(holder.stdout, 'data');
    const before = files();
    expect(String((await run(['restore', 'a.db'])).error)).toMatch(/is in use: stop the orchestrator/);
    expect(files()).toEqual(before);
    holder.stdin.end();
    await once(holder, 'exit');

    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    env['PORT'] = String(typeof address === 'object' ? address?.port : '');
    expect(String((await run(['restore', 'a.db'])).error)).toMatch(/PORT \d+: stop the orchestrator vps-1/);
    server.close();
    await once(server, 'close');
    expect((await run(['restore', 'a.db'])).error).toBeUndefined();
  });

  it('is alone with the database under no other name: a kill leaves no second one of it', async () => {
    const file = join(data, DATABASE_FILE);
    const other = new Sqlite(file, { timeout: 0 });
    const write = () => other.exec('BEGIN IMMEDIATE; ROLLBACK');
    await alone(file, async () => {
      expect(files().filter((name) => name.startsWith(ALONE_FOLDER))).toEqual([]);
      expect(write).toThrow(/locked|busy/);
    });
    write();
    other.close();
  });

  it('is alone with the database to the end, also when that is the backup', async () => {
    const backup = join(data, DATABASE_FILE);
    const tries = () =>
      spawnSync(process.execPath, [
        '--input-type=module',
        '-e',
        `import Sqlite from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};
         new Sqlite(process.argv[1], { timeout: 0 }).exec('BEGIN IMMEDIATE');`,
        join(data, 'aside.db'),
      ]).stderr.toString();
    await alone(backup, async () => {
      const more = { dataDir: data, orchestratorId: 'vps-1', generation: 7, newLogId: () => 'log-12345678' };
      restoreDatabase({ ...more, backup, now: () => 0 });
      linkSync(join(data, 'before-restore-1970-01-01T00-00-00-000Z', DATABASE_FILE), join(data, 'aside.db'));
      expect(tries()).toMatch(/database is locked/);
    });
    expect(tries()).toBe('');
  });

  it.each([
    ['does not answer', away, /does not answer.*when it is up/],
    ['refuses the key', problem(403, 'key_revoked', 'the key was revoked'), /the key was revoked; nothing/],
    ['knows no such door', () => new Response('<html>', { status: 404 }), /it answered 404; nothing/],
    ['answers nonsense', () => ({ hello: 1 }), /upgrade one of them/],
  ])('changes nothing when the edge %s', async (_what, answer, message) => {
    const before = readFileSync(join(data, DATABASE_FILE));
    const { error } = await run(['restore', 'a.db'], answer);
    expect(error).toBeInstanceOf(CliError);
    expect(String(error)).toMatch(message);
    expect([files(), readFileSync(join(data, DATABASE_FILE)).equals(before)]).toEqual([
      [DATABASE_FILE],
      true,
    ]);
  });

  it.each([
    ['is not there', 'nowhere.db', /there is no backup/],
    ['is damaged', 'damaged.db', /damaged\.db is damaged/],
    ['is another orchestrator’s', 'other.db', /vps-2/],
  ])('changes nothing when the backup %s', async (_what, file, message) => {
    const bytes = readFileSync(join(root, 'a.db'));
    writeFileSync(join(root, 'damaged.db'), bytes.fill(0x5a, 4_096, 12_288));
    openStore(join(root, 'other'), 'vps-2').close();
    writeFileSync(join(root, 'other.db'), readFileSync(join(root, 'other', DATABASE_FILE)));
    const { error } = await run(['restore', file]);
    expect(error).toBeInstanceOf(CliError);
    expect(String(error)).toMatch(message);
    expect(notes()).toMatchObject({ note: 'lost', held: false });
    expect(existsSync(join(data, '.restore'))).toBe(false);
  });
});
