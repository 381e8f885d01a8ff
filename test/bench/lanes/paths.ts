import { join } from 'node:path';
import { preferred } from '../../../edge-worker/src/relay/lanes.ts';
import { Operator } from '../../sandbox/seed/demo-site.ts';
import { DEMO } from '../../sandbox/seed/tenants.ts';
import type { Job } from '../load/job.ts';
import type { Own } from '../relay/processes.ts';
import { ownSandbox } from '../sandbox.ts';

type Address = Pick<Job, 'port' | 'host' | 'path'>;

/** How many lanes the two systems have. */
export const LANES = [1, 2] as const;
export type LaneCount = (typeof LANES)[number];

/** Two sites, which two lanes would share between them: one lane carries both. */
const SITES = [0, 1].map((lane) => siteOn(lane));

function siteOn(lane: number): string {
  const names = Array.from({ length: 100 }, (_, n) => `bench-shop-${n}`);
  const name = names.find((site) => preferred(site, 2)[0] === lane);
  if (name === undefined) throw new Error(`no name prefers lane ${lane}`);
  return name;
}

export interface System {
  /** Where its two sites answer. */
  readonly sites: readonly Address[];
  /** Of its edge. */
  readonly workerd: number;
}

/** A whole system whose orchestrator has so many lanes. */
export async function startSystem(own: Own, origin: string, lanes: LaneCount): Promise<System> {
  const env = { orchestrator: { LANES: String(lanes) } };
  const { edgeUrl, adminToken, relayUrl, pids } = await ownSandbox(
    join(own.dir, `lanes-${lanes}`),
    own.cleanup,
    env,
  );
  const operator = new Operator(edgeUrl, adminToken);
  for (const siteId of SITES) {
    await operator.createSite({ ...DEMO, siteId, siteName: siteId });
    const routes = [{ path: '/*', upstream: origin, offline: 'unavailable' }];
    await operator.configure(siteId, 0, { routes, worker: { vars: {} } });
  }
  const { host, port } = new URL(relayUrl);
  const sites = SITES.map((siteId) => ({ host, port: Number(port), path: `/s/${siteId}/prices/latest` }));
  const { edge } = pids;
  if (edge === undefined) throw new Error('the edge does not run');
  return { sites, workerd: edge };
}
