import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { orchestratorsBehind, SyncOutbox } from './sync-outbox.ts';

let count = 0;
let a = '';
let b = '';
let shop = '';
beforeEach(async () => {
  [a, b, shop] = [`agency-a-${++count}`, `agency-b-${count}`, `shop-${count}`];
  await run(`INSERT INTO agencies (id, name) VALUES ('${a}', 'A'), ('${b}', 'B')`);
});
const run = (sql: string) => env.DB.prepare(sql).run();
const put = (agency: string, name = 'Shop') =>
  run(`INSERT INTO customers (id, agency_id, name) VALUES ('${shop}', '${agency}', '${name}')`);

/** 1.5 MB of a character that takes six in JSON: `printf` makes no more than 100,000. */
const CONTROLS = `replace(printf('%100000s', ''), ' ', char(${Array(15).fill(1)}))`;

/** What an organisation's orchestrator is told of customers: [key, name or null]. */
const told = async (agency: string) =>
  (await new SyncOutbox(env.DB, agency).behind(0, 65_536))
    .filter(({ table }) => table === 'customers')
    .map(({ key, row }) => [key, row?.['name'] ?? null]);

describe('the triggers on the existing API’s tables', () => {
  it('leave the latest state of a row, for its organisation alone', async () => {
    await put(a);
    for (const name of ['x', 'y', 'z'])
      await run(`UPDATE customers SET name = '${name}' WHERE id = '${shop}'`);
    expect([await told(a), await told(b)]).toEqual([[[shop, 'z']], []]);
    await run(`DELETE FROM customers WHERE id = '${shop}'`);
    expect(await told(a)).toEqual([[shop, null]]);
    await put(a, 'again');
    expect(await told(a)).toEqual([[shop, 'again']]);
  });

  it('carry every column of the row', async () => {
    await put(a);
    const [row] = await new SyncOutbox(env.DB, a).behind(0, 65_536).then((rows) => rows.slice(-1));
    expect(row?.row).toEqual(await env.DB.prepare('SELECT * FROM customers WHERE id = ?').bind(shop).first());
    const [agency] = await new SyncOutbox(env.DB, a).behind(0, 65_536);
    expect(agency?.row).toEqual(await env.DB.prepare('SELECT * FROM agencies WHERE id = ?').bind(a).first());
  });

  it.each([
    ['an UPDATE', () => run(`UPDATE customers SET agency_id = '${b}' WHERE id = '${shop}'`)],
    [
      'a REPLACE',
      () => run(`REPLACE INTO customers (id, agency_id, name) VALUES ('${shop}', '${b}', 'Shop')`),
    ],
  ])('tell both organisations of a customer who moves by %s', async (_, move) => {
    await put(a);
    await move();
    expect([await told(a), await told(b)]).toEqual([[[shop, null]], [[shop, 'Shop']]]);
    await run(`UPDATE customers SET agency_id = '${a}' WHERE id = '${shop}'`);
    expect([await told(a), await told(b)]).toEqual([[[shop, 'Shop']], [[shop, null]]]);
  });

  it.each([
    ['a blob', `x'00ff'`],
    ['a text far beyond an entry, all of it to be escaped', `${CONTROLS}`],
    ['the same behind a NUL, where length() ends', `char(0) || ${CONTROLS}`],
  ])('let the existing API write what they cannot pass on: %s', async (_, config) => {
    await put(a);
    await run(`UPDATE customers SET config = ${config} WHERE id = '${shop}'`);
    expect(await told(a)).toHaveLength(1);
  });

  it('let it write a row without an id', async () => {
    await run(`INSERT INTO customers (agency_id, name) VALUES ('${a}', 'Nobody')`);
    expect(await told(a)).toEqual([]);
  });

  it('tell of a row that loses its id, and of one that gets it', async () => {
    await put(a);
    await run(`UPDATE customers SET id = NULL WHERE id = '${shop}'`);
    expect(await told(a)).toEqual([[shop, null]]);
    await run(`UPDATE customers SET id = '${shop}', name = 'back' WHERE id IS NULL AND name = 'Shop'`);
    expect(await told(a)).toEqual([[shop, 'back']]);
    await run(`UPDATE agencies SET id = NULL WHERE id = '${b}'`);
    const agency = async () => (await new SyncOutbox(env.DB, b).behind(0, 65_536)).at(-1)?.row;
    expect(await agency()).toBeUndefined();
    await run(`UPDATE agencies SET id = '${b}' WHERE id IS NULL`);
    expect(await agency()).toMatchObject({ id: b });
  });

  it('take a new key for another row', async () => {
    await put(a);
    await run(`UPDATE customers SET id = '${shop}-new' WHERE id = '${shop}'`);
    expect(await told(a)).toEqual([
      [shop, null],
      [`${shop}-new`, 'Shop'],
    ]);
  });

  it('change nothing of what a write does when it is ignored, or rolled back', async () => {
    await put(a);
    await run(`INSERT OR IGNORE INTO customers (id, agency_id, name) VALUES ('${shop}', '${b}', 'no')`);
    await env.DB.batch([
      env.DB.prepare(`DELETE FROM customers WHERE id = '${shop}'`),
      env.DB.prepare('SELECT nonsense'),
    ]).catch(() => undefined);
    expect([await told(a), await told(b)]).toEqual([[[shop, 'Shop']], []]);
  });
});

describe('the cron', () => {
  it('finds the orchestrators of organisations whose rows have changed since', async () => {
    await run(`INSERT INTO orc_organisations VALUES ('${a}', 'A', 0), ('${b}', 'B', 0)`);
    await run(`INSERT INTO orc_orchestrators VALUES ('vps-${a}', '${a}', 1, 0), ('vps-${b}', '${b}', 1, 0)`);
    const behind = async () => (await orchestratorsBehind(env.DB, 1_000)).map(({ id }) => id);
    expect(await behind()).toEqual(expect.arrayContaining([`vps-${a}`, `vps-${b}`]));
    const [last] = await new SyncOutbox(env.DB, a).behind(0, 65_536);
    await new SyncOutbox(env.DB, a).note(`vps-${a}`, last?.position ?? 0, 0, 1);
    expect(await behind()).not.toContain(`vps-${a}`);
    await put(a);
    expect(await behind()).toContain(`vps-${a}`);
  });
});
