import type { EdgeDatabase, Statement } from '../edge/database.ts';
import type { Key } from '../identity.ts';

/** One organisation with its one orchestrator and its one site. */
export interface Tenant {
  readonly orgId: string;
  readonly name: string;
  readonly orchestratorId: string;
  /** Sockets that the orchestrator may have: `LANES` at most. */
  readonly lanes: number;
  readonly siteId: string;
  readonly siteName: string;
}

export const DEMO: Tenant = {
  orgId: 'demo-agency',
  name: 'Demo Agency',
  orchestratorId: 'demo-vps',
  lanes: 4,
  siteId: 'demo-shop',
  siteName: 'Demo Shop',
};

/** Registered, but its orchestrator never runs: there to show that one organisation sees nothing of another. */
export const OTHER: Tenant = {
  orgId: 'other-agency',
  name: 'Other Agency',
  orchestratorId: 'other-vps',
  lanes: 1,
  siteId: 'other-shop',
  siteName: 'Other Shop',
};

/** Registers the organisation, its orchestrator and the orchestrator's public key; safe to repeat. */
export async function register(
  database: EdgeDatabase,
  { orgId, name, orchestratorId, lanes }: Tenant,
  { kid, publicKey }: Key,
  now: number,
): Promise<void> {
  const statements: Statement[] = [
    {
      sql: 'INSERT OR IGNORE INTO orc_organisations (id, name, created_at) VALUES (?, ?, ?)',
      params: [orgId, name, now],
    },
    {
      sql: 'INSERT OR IGNORE INTO orc_orchestrators (id, org_id, lanes, created_at) VALUES (?, ?, ?, ?)',
      params: [orchestratorId, orgId, lanes, now],
    },
    {
      sql: `INSERT OR IGNORE INTO orc_orchestrator_keys (kid, orchestrator_id, public_key, state, created_at)
        VALUES (?, ?, ?, 'active', ?)`,
      params: [kid, orchestratorId, publicKey, now],
    },
  ];
  await database.batch(statements);
}
