import { env } from 'cloudflare:workers';
import { ENTRY_BYTES_MAX, edgeCodec } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import { breakable, type OwnParts, withObject } from './object.fixture.ts';
import { SharedRows } from './shared-rows.ts';

const sharedOf = ({ sql, meta, outbox, orchestratorId, orgId, clock }: OwnParts, db = env.DB) =>
  new SharedRows({
    sql,
    meta,
    outbox,
    orchestratorId,
    orgId: () => orgId,
    db,
    now: () => clock.now,
    onAppended: () => undefined,
  });

const agency = (id: string, name = 'An agency') =>
  env.DB.prepare('INSERT OR REPLACE INTO agencies (id, name) VALUES (?, ?)').bind(id, name).run();
const customer = (id: string, agencyId: string, name = 'A shop') =>
  env.DB.prepare('INSERT OR REPLACE INTO customers (id, agency_id, name) VALUES (?, ?, ?)')
    .bind(id, agencyId, name)
    .run();

/** Entries of the log behind `from`, as [table, key, name or null]. */
function entries({ sql }: OwnParts, from = 0) {
  const bodies = sql.run(`SELECT body FROM log_outbox WHERE log = 'control' AND seq > ? ORDER BY seq`, from);
  return bodies.map((row) => {
    const { table, key, row: now, type } = JSON.parse(String(row['body']));
    expect(type).toBe('row_changed');
    return [table, key, now?.name ?? null];
  });
}
const position = async ({ orchestratorId }: OwnParts) =>
  env.DB.prepare('SELECT position, skipped FROM orc_sync_positions WHERE orchestrator_id = ?')
    .bind(orchestratorId)
    .first<{ position: number; skipped: number }>();

describe('rows of shared tables', () => {
  it('become entries once, the latest state of each, of the own organisation alone', () =>
    withObject(async (parts) => {
      await agency(parts.orgId);
      await agency(`not-${parts.orgId}`);
      await customer(`${parts.orgId}-a`, parts.orgId, 'first');
      await customer(`${parts.orgId}-a`, parts.orgId, 'second');
      const shared = sharedOf(parts);
      await shared.drain();
      await shared.drain();
      expect(entries(parts)).toEqual([
        ['agencies', parts.orgId, 'An agency'],
        ['customers', `${parts.orgId}-a`, 'second'],
      ]);
      await customer(`${parts.orgId}-a`, parts.orgId, 'third');
      await sharedOf(parts).drain();
      expect(entries(parts, 2)).toEqual([['customers', `${parts.orgId}-a`, 'third']]);
    }));

  it('of any number arrive in order, and D1 is told how far', () =>
    withObject(async (parts) => {
      await agency(parts.orgId);
      const insert = env.DB.prepare(
        'INSERT INTO customers (id, agency_id, name, config) VALUES (?, ?, ?, ?)',
      );
      const filler = '"'.repeat(2_000);
      const ids = Array.from({ length: 450 }, (_, n) => `${parts.orgId}-${String(n).padStart(3, '0')}`);
      await env.DB.batch(ids.map((id) => insert.bind(id, parts.orgId, id, filler)));
      await sharedOf(parts).drain();
      expect(entries(parts, 1).map(([, key]) => key)).toEqual(ids);
      const last = await env.DB.prepare('SELECT MAX(position) AS last FROM orc_sync_outbox').first('last');
      expect(await position(parts)).toEqual({ position: last, skipped: 0 });
    }));

  it('all come again after the orchestrator’s database was lost, also when a drain was under way', () =>
    withObject(async (parts) => {
      await agency(parts.orgId);
      await customer(`${parts.orgId}-a`, parts.orgId);
      const shared = sharedOf(parts);
      await shared.drain();
      await customer(`${parts.orgId}-b`, parts.orgId);
      const underWay = shared.drain();
      shared.restart();
      await underWay;
      expect(entries(parts, 2).map(([, key]) => key)).toEqual([
        parts.orgId,
        `${parts.orgId}-a`,
        `${parts.orgId}-b`,
      ]);
    }));

  it('that fit no entry are passed over, loudly, and hold up none behind them', () =>
    withObject(async (parts) => {
      const told = vi.spyOn(console, 'error').mockImplementation(() => undefined);
      await agency(parts.orgId);
      await customer(`${parts.orgId}-a`, parts.orgId, 'x'.repeat(ENTRY_BYTES_MAX + 1));
      await customer(`${parts.orgId}-b`, parts.orgId, 'x'.repeat(ENTRY_BYTES_MAX - 200));
      await customer(`${parts.orgId}-c`, parts.orgId);
      await sharedOf(parts).drain();
      expect(entries(parts).map(([, key]) => key)).toEqual([parts.orgId, `${parts.orgId}-c`]);
      expect(await position(parts)).toMatchObject({ skipped: 2 });
      expect(told).toHaveBeenCalledTimes(2);
      told.mockRestore();
    }));

  it('wait in D1 while it fails, and while too much waits in the log', () =>
    withObject(async (parts) => {
      const db = breakable(env.DB);
      const shared = sharedOf(parts, db);
      await agency(parts.orgId);
      db.broken = true;
      await expect(shared.drain()).rejects.toThrow();
      db.broken = false;
      const body = edgeCodec.encodeEntry({ type: 'remove_site', siteId: 'shop' });
      parts.outbox.appendAll(Array.from({ length: 5_000 }, () => body));
      await shared.drain();
      expect([parts.outbox.depth, shared.canGoOn]).toEqual([5_000, false]);
      parts.outbox.acknowledge(4_000);
      expect(shared.canGoOn).toBe(true);
      await shared.drain();
      expect(entries(parts, 5_000)).toHaveLength(1);
    }));
});
