import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePorts, ownPart, temporaryDir } from '../fixture.ts';
import { hasLoopbackV6 } from '../ports.ts';
import { answers } from '../processes/polling.ts';
import { Cron } from './cron.ts';
import { EdgeDatabase } from './database.ts';
import { bundleEdge, writeEdge } from './files.ts';

/** The least Worker that uses every binding; `createHash` comes by `require`, as in CommonJS packages. */
const WORKER = `
import { DurableObject } from 'cloudflare:workers';
const { createHash } = require('crypto');
export class Channel extends DurableObject {
  next() {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS n (x)');
    this.ctx.storage.sql.exec('INSERT INTO n VALUES (1)');
    return this.ctx.storage.sql.exec('SELECT count(*) AS n FROM n').one().n;
  }
}
export class Hub extends DurableObject {}
export default {
  async scheduled({ cron }, env) {
    await env.DB.prepare('INSERT INTO t VALUES (?)').bind(cron).run();
  },
  async fetch(request, env) {
    return Response.json({
      ip: request.headers.get('cf-connecting-ip'),
      host: new URL(request.url).host,
      text: env.GREETING,
      hash: createHash('sha256').update('').digest('hex').slice(0, 8),
      n: await env.CHANNEL.getByName('a').next(),
      rows: (await env.DB.prepare('SELECT x FROM t').all().catch(() => ({ results: [] }))).results,
    });
  },
};`;

async function edge() {
  const dir = temporaryDir();
  mkdirSync(dir, { recursive: true });
  const source = join(dir, 'source.js');
  writeFileSync(source, WORKER);
  await bundleEdge(dir, source);
  const { edge: port, admin: adminPort } = await freePorts();
  const launch = writeEdge(dir, {
    compatibilityDate: '2026-11-01',
    compatibilityFlags: [],
    port,
    adminPort,
    adminToken: 'the token',
    ipv6: await hasLoopbackV6(),
    vars: { GREETING: 'hello "you"' },
    objectsDir: join(dir, 'objects'),
    d1Dir: join(dir, 'd1'),
    assetsDir: join(dir, 'dashboard'),
  });
  const url = `http://127.0.0.1:${port}`;
  const output = { file: join(dir, 'log') };
  const part = ownPart({ ...launch, name: 'edge', env: {}, output, isUp: () => answers(url), graceMs: 200 });
  await part.start();
  return { url, port, part, adminUrl: `http://127.0.0.1:${adminPort}` };
}

const ask = async (url: string, headers: Record<string, string> = {}): Promise<unknown> =>
  (await fetch(url, { headers })).json();

test('workerd runs the bundle with its bindings, and the Worker sees the Host it was called by', async () => {
  const { port } = await edge();
  expect(await ask(`http://localhost:${port}`)).toMatchObject({
    host: `localhost:${port}`,
    text: 'hello "you"',
    hash: 'e3b0c442',
  });
});

test('a customer’s own CF-Connecting-IP is overwritten', async () => {
  const { url } = await edge();
  expect(await ask(url, { 'CF-Connecting-IP': '203.0.113.7' })).toMatchObject({ ip: '127.0.0.1' });
});

test('the admin Worker writes to the D1 that the edge reads, for whoever has the token', async () => {
  const { url, adminUrl } = await edge();
  const database = new EdgeDatabase(adminUrl, 'the token');
  const script = `-- two statements and a trigger, as in a migration
    CREATE TABLE t (x); CREATE TABLE log (y);
    CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.x); SELECT 1; END;`;
  const insert = { sql: 'INSERT INTO t VALUES (?)', params: [7] };
  const [, , rows] = await database.batch([
    { sql: script, params: [] },
    insert,
    { sql: 'SELECT * FROM log', params: [] },
  ]);
  expect(rows).toEqual([{ y: 7 }]);
  expect(await ask(url)).toMatchObject({ rows: [{ x: 7 }] });
  await expect(database.batch([insert, { sql: 'nonsense', params: [] }])).rejects.toThrow('syntax error');
  expect(await ask(url)).toMatchObject({ rows: [{ x: 7 }] });
  expect((await fetch(adminUrl, { method: 'POST', body: '[]' })).status).toBe(401);
});

test('objects and D1 outlive the process', async () => {
  const { url, adminUrl, part } = await edge();
  await new EdgeDatabase(adminUrl, 'the token').batch([
    { sql: 'CREATE TABLE t AS SELECT 5 AS x', params: [] },
  ]);
  const before = (await ask(url)) as { n: number };
  await part.stop();
  await part.start();
  const after = (await ask(url)) as { n: number };
  expect(after).toMatchObject({ rows: [{ x: 5 }] });
  expect(after.n).toBeGreaterThan(before.n);
});

test('the cron runs the Worker’s scheduled, and says when that has failed', async () => {
  const { url, adminUrl } = await edge();
  const cron = new Cron(adminUrl, 'the token');
  await expect(cron.run()).rejects.toThrow('exception');
  await new EdgeDatabase(adminUrl, 'the token').batch([{ sql: 'CREATE TABLE t (x)', params: [] }]);
  await cron.run();
  expect(await ask(url)).toMatchObject({ rows: [{ x: '* * * * *' }] });
});
