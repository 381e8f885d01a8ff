import { randomBytes } from 'node:crypto';
import { Outbox } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { rmSync } from 'node:fs';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { Events } from './events.ts';
const ev = (n: number) => ({ type: 'health_check' as const, siteId: 'shop', data: { status: 'healthy', n, checks: [{ name: 'http://127.0.0.1:4000', ok: true, latencyMs: 1 }] } });
function one(auto: boolean) {
for (const s of ['','-wal','-shm']) rmSync('/tmp/orchB/a.db'+s,{force:true});
const db = new Sqlite('/tmp/orchB/a.db');
db.pragma('journal_mode = WAL'); db.pragma('synchronous = FULL');
const sql = createSql(db);
for (const m of MIGRATIONS) m(sql);
if (!auto) { db.exec('DROP TABLE events'); db.exec(`CREATE TABLE events (
     position INTEGER PRIMARY KEY, id TEXT NOT NULL, seq INTEGER, type TEXT NOT NULL,
     site_id TEXT NOT NULL, data TEXT NOT NULL, created_at INTEGER NOT NULL)`); db.exec('CREATE INDEX events_waiting ON events (position) WHERE seq IS NULL'); }
const outbox = new Outbox({ sql, log: 'control', now: Date.now, newLogId: () => 'log-of-test', lazyPositions: true });
const events = new Events({ sql, outbox, now: Date.now, random: randomBytes });
const res: string[] = [];
for (const batch of [1, 500]) {
  const total = batch === 1 ? 5_000 : 100_000;
  const t = performance.now();
  for (let i = 0; i < total; i += batch) events.recordAll(Array.from({ length: batch }, (_, k) => ev(i + k)));
  res.push(batch + ': ' + Math.round(total / ((performance.now() - t) / 1000)));
}
db.exec('CREATE TABLE bare (position INTEGER PRIMARY KEY, body TEXT)');
const ins = db.prepare('INSERT INTO bare (body) VALUES (?)'); const body = JSON.stringify(ev(1));
{ const t = performance.now(); for (let i=0;i<5000;i++) ins.run(body); res.push('bare 1: ' + Math.round(5000/((performance.now()-t)/1000))); }
console.log(auto ? 'auto' : 'plain', res.join('  '));
db.close();
}
for (let r = 0; r < 3; r++) { one(true); one(false); }
