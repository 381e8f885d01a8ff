import { becomes } from '../../sandbox/processes/polling.ts';
import type { Sender } from './sender.ts';
import type { System } from './system.ts';

const EVENTS = 10_000;
const EDITS = 1_000;
/** Requests to the API at a time. */
const AT_A_TIME = 16;
const CAUGHT_UP_WITHIN_MS = 120_000;

export interface Outage {
  readonly events: number;
  readonly edits: number;
  /** From the start of the orchestrator's process until D1 shows every event and every edit's success. */
  readonly ms: number;
  /** Events that D1 has behind a later one. */
  readonly outOfOrder: number;
}

/**
 * The orchestrator is away: events happen beside it, and config edits are made at the edge, each of a site of its
 * own, since a newer edit of the same site withdraws the one before. Then the real orchestrator comes back.
 */
export async function measureOutage(system: System, sender: Sender): Promise<Outage> {
  const { sandbox, database } = system;
  const firstBehind = await lastPosition(system);
  await sender.do('product', 'record', EVENTS);
  await sender.end();
  await edit(system);
  const start = performance.now();
  await sandbox.startPart('orchestrator');
  if (!(await becomes(() => caughtUp(system, firstBehind), CAUGHT_UP_WITHIN_MS)))
    throw new Error(`not caught up after ${CAUGHT_UP_WITHIN_MS} ms`);
  const ms = performance.now() - start;
  const [disorder] = await database.batch([
    {
      sql: `SELECT COUNT(*) AS n FROM (
              SELECT data ->> 'n' AS n, LAG(data ->> 'n') OVER (ORDER BY position) AS before
              FROM orc_events WHERE position > ?) WHERE before > n`,
      params: [firstBehind],
    },
  ]);
  return { events: EVENTS, edits: EDITS, ms, outOfOrder: Number(disorder?.[0]?.['n']) };
}

/** Of the last event in D1. */
export async function lastPosition({ database }: System): Promise<number> {
  const [rows] = await database.batch([
    { sql: `SELECT COALESCE(MAX(position), 0) AS last FROM orc_events`, params: [] },
  ]);
  return Number(rows?.[0]?.['last']);
}

async function caughtUp({ database }: System, firstBehind: number): Promise<boolean> {
  const [events, edits] = await database.batch([
    {
      sql: `SELECT COUNT(*) AS n FROM orc_events WHERE position > ? AND type = 'health_check'`,
      params: [firstBehind],
    },
    {
      sql: `SELECT COUNT(*) AS n FROM orc_commands WHERE site_id LIKE 'edited-%' AND state = 'succeeded'`,
      params: [],
    },
  ]);
  return Number(events?.[0]?.['n']) >= EVENTS && Number(edits?.[0]?.['n']) >= EDITS;
}

async function edit({ sandbox }: System): Promise<void> {
  const { urls, tenant } = sandbox.layout;
  const headers = {
    authorization: `Bearer ${sandbox.file.adminToken}`,
    'content-type': 'application/json',
  };
  const post = async (path: string, body: unknown) => {
    const response = await fetch(urls.edge + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
  };
  const config = {
    routes: [{ path: '/*', upstream: urls.upstream, offline: 'unavailable' }],
    worker: { vars: {} },
  };
  const one = async (n: number) => {
    const siteId = `edited-${n}`;
    await post('/api/v1/sites', { id: siteId, name: siteId, orchestratorId: tenant.orchestratorId });
    await post('/api/v1/orchestrator', { action: 'update_config', siteId, payload: { base: 0, config } });
  };
  for (let n = 0; n < EDITS; n += AT_A_TIME) {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, EDITS - n) }, (_, i) => one(n + i)));
  }
}
