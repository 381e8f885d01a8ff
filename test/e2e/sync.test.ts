import { expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { EdgeDatabase } from '../sandbox/edge/database.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();

/** Writes to the existing API's tables, as that API does. */
const write = (sql: string, ...params: (string | null)[]) => {
  const { urls, adminToken } = system().sandbox.layout;
  return new EdgeDatabase(urls.admin, adminToken).batch([{ sql, params }]);
};

interface Shared {
  readonly key: string;
  readonly row: Record<string, unknown>;
}
/** A shared table as the VPS has it, read through the edge. */
const onVps = async (table: string): Promise<Shared[]> => {
  const { json } = await system().api(`/api/v1/orchestrator/internal/shared/${table}?limit=200`);
  return json.items;
};
const nudge = async () => expect((await system().api('/api/v1/sync', { method: 'POST' })).status).toBe(202);

test('rows that were there before the orchestrator are on the VPS, its own organisation’s alone', async () => {
  const customers = await eventually(
    'the first rows arrive',
    () => onVps('customers'),
    (rows) => rows.length > 0,
  );
  expect(customers.map(({ key }) => key)).toEqual(['demo-shop']);
  expect(customers[0]?.row).toMatchObject({ name: 'Demo Shop', google_ads_id: 'AW-100000001', config: '{}' });
  expect((await onVps('agencies')).map(({ key }) => key)).toEqual(['demo-agency']);
});

test('a row that the existing API writes arrives, changes, moves away and is deleted', async () => {
  const named = (name: string | undefined) =>
    eventually(
      `the VPS has ${name}`,
      () => onVps('customers'),
      (rows) => rows.find(({ key }) => key === 'new-shop')?.row['name'] === name,
    );
  const insert = `INSERT INTO customers (id, agency_id, name) VALUES ('new-shop', 'demo-agency', 'New')`;
  await write(insert);
  await nudge();
  await named('New');
  await write(`UPDATE customers SET name = 'Newer' WHERE id = 'new-shop'`);
  await nudge();
  await named('Newer');
  await write(`UPDATE customers SET agency_id = 'other-agency' WHERE id = 'new-shop'`);
  await nudge();
  await named(undefined);
  await write(`UPDATE customers SET agency_id = 'demo-agency' WHERE id = 'new-shop'`);
  await nudge();
  await named('Newer');
  await write(`DELETE FROM customers WHERE id = 'new-shop'`);
  await nudge();
  await named(undefined);
});

test('a row that nobody nudged arrives by the cron', async () => {
  await write(`UPDATE agencies SET plan = 'scale' WHERE id = 'demo-agency'`);
  await system().sandbox.cron.run();
  await eventually(
    'the plan is on the VPS',
    () => onVps('agencies'),
    ([agency]) => agency?.row['plan'] === 'scale',
  );
});

test('rows that changed while the orchestrator was away are there once it is back, at their latest', async () => {
  const { sandbox } = system();
  await sandbox.stopPart('orchestrator');
  for (const name of ['first', 'second', 'last']) {
    await write(`UPDATE customers SET name = ? WHERE id = 'demo-shop'`, name);
    await nudge();
  }
  await sandbox.startPart('orchestrator');
  await eventually(
    'the last name is on the VPS',
    () => onVps('customers'),
    (rows) => rows.find(({ key }) => key === 'demo-shop')?.row['name'] === 'last',
  );
});

test('a config change on the VPS is an event in D1, and the VPS knows that it is', async () => {
  const before = (await system().api('/api/v1/events?order=asc&limit=200')).json.next;
  const { state } = await system().configure({ worker: { vars: { EVENT: 'yes' } } });
  expect(state).toBe('succeeded');
  const { generation } = await system().config();
  const { json } = await eventually(
    'the event is listed',
    () => system().api(`/api/v1/events?order=asc&type=config_change&site=demo-shop&after=${before}`),
    (answer) => answer.json.items.length > 0,
  );
  expect(json.items).toEqual([
    expect.objectContaining({
      siteId: 'demo-shop',
      orchestratorId: 'demo-vps',
      data: expect.objectContaining({ generation }),
      syncedToWorkers: true,
    }),
  ]);
  await eventually(
    'the VPS knows',
    () => system().api('/api/v1/orchestrator/internal/events?type=config_change&limit=1'),
    (answer) => answer.json.items[0]?.id === json.items[0].id && answer.json.items[0].syncedToWorkers,
  );
  const foreign = await system().api('/api/v1/events', { token: system().file.other.adminToken });
  expect(foreign.json.items).toEqual([]);
});
