import { randomBytes } from 'node:crypto';
import { Outbox } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { Events, SharedTables } from '../sync/index.ts';
import { BEARER, createBench } from './app.fixture.ts';

let ask: (path: string) => Promise<{ status: number; body: unknown }>;
let events: Events;
let shared: SharedTables;

beforeEach(async () => {
  const sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  const now = () => Date.parse('2026-11-01T10:00:00Z');
  const outbox = new Outbox({ sql, log: 'control', now, newLogId: () => 'log-of-test' });
  events = new Events({ sql, outbox, now, random: randomBytes });
  shared = new SharedTables(sql);
  const http = await createBench().serve({ events, shared });
  ask = async (path) => {
    const response = await http(`/internal${path}`, { headers: BEARER });
    return { status: response.status, body: await response.json() };
  };
});

describe('GET /internal/events', () => {
  it('lists them, the newest first, by site and type, and goes on behind `next`', async () => {
    for (const n of [1, 2, 3]) events.record({ type: 'config_change', siteId: 'shop', data: { n } });
    events.record({ type: 'health_check', siteId: 'other', data: {} });
    const first = await ask('/events?site=shop&type=config_change&limit=2');
    expect(first.body).toMatchObject({ items: [{ data: { n: 3 } }, { data: { n: 2 } }], next: '2' });
    expect((await ask('/events?site=shop&limit=2&after=2')).body).toEqual({
      items: [
        {
          id: expect.stringMatching(/^evt_/),
          type: 'config_change',
          siteId: 'shop',
          data: { n: 1 },
          createdAt: '2026-11-01T10:00:00.000Z',
          syncedToWorkers: false,
        },
      ],
      next: null,
    });
  });

  it.each([
    ['type=lead', /query\.type/],
    ['site=NO', /query\.site/],
    ['after=x', /`next` of an earlier page/],
    ['limit=0', /query\.limit/],
    ['orchestrator=vps-1', /unknown; known are site/],
  ])('is 400 with %s', async (query, detail) => {
    const refused = { status: 400, body: { code: 'bad_request', detail: expect.stringMatching(detail) } };
    expect(await ask(`/events?${query}`)).toMatchObject(refused);
  });
});

describe('GET /internal/shared', () => {
  it('lists the tables, and the rows of one, page by page', async () => {
    const change = { type: 'row_changed', table: 'customers' } as const;
    for (const n of [1, 2]) shared.apply({ ...change, key: `c/${n}`, position: n, row: { n } });
    expect((await ask('/shared')).body).toEqual({
      items: [{ table: 'customers', rows: 2, position: 2 }],
      next: null,
    });
    const first = { items: [{ key: 'c/1', position: 1, row: { n: 1 } }], next: 'c/1' };
    expect((await ask('/shared/customers?limit=1')).body).toEqual(first);
    expect((await ask('/shared/customers?limit=1&after=c%2F1')).body).toMatchObject({
      items: [{ key: 'c/2' }],
      next: null,
    });
  });

  it('has no rows of a table that has not come', async () => {
    expect(await ask('/shared/agencies')).toEqual({ status: 200, body: { items: [], next: null } });
  });
});
