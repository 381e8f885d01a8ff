import {
  command,
  type Deployment,
  deployment,
  event,
  listOf,
  orchestratorResponse,
  receipt,
  type Site,
  type StatusReport,
  site,
  siteConfigState,
  siteMove,
  siteQueued,
  statusReport,
} from '@clawdbot/protocol';
import { ask, Refused, read } from '../ask/ask.ts';

/** What a site's page asks of the API; each rejects with the edge's words, or with why nobody answered. */

const DEPLOYMENTS_SHOWN = 25;
const DEAD_SHOWN = 10;
const EVENTS_SHOWN = 50;
const MOVES_SHOWN = 5;

/** Events, commands and moves outlive their site. `gone`: the edge's words for that it is not there. */
export type SiteOrGone = Site | { readonly gone: string };

export async function readSite(siteId: string): Promise<SiteOrGone> {
  try {
    return await read(`/sites/${siteId}`, site);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return { gone: error.message };
    throw error;
  }
}

export const readConfig = (siteId: string) => read(`/sites/${siteId}/config`, siteConfigState);

/** A deployment, and of one that goes on the step that was told last. */
export interface Step {
  readonly milestone: string;
  readonly detail?: string | undefined;
}
export type SteppedDeployment = Deployment & { readonly step?: Step | undefined };

export async function readDeployments(siteId: string): Promise<SteppedDeployment[]> {
  const { items } = await read(`/deployments?site=${siteId}&limit=${DEPLOYMENTS_SHOWN}`, listOf(deployment));
  return Promise.all(
    items.map(async (item) => (item.state === 'running' ? { ...item, step: await readStep(item) } : item)),
  );
}

async function readStep({ commandId }: Deployment): Promise<Step | undefined> {
  try {
    return (await read(`/commands/${commandId}`, command)).milestones.at(-1);
  } catch (error) {
    // One that was given on the VPS itself is no command of the edge's.
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

/** What waits for the site, and what was given up. */
export async function readWaiting(siteId: string) {
  const [queued, dead] = await Promise.all([
    read(`/sites/${siteId}/queued`, siteQueued),
    read(`/receipts?site=${siteId}&state=dead&limit=${DEAD_SHOWN}`, listOf(receipt)),
  ]);
  return { ...queued, dead: dead.items, isMoreDead: dead.next !== null };
}
export type SiteWaiting = Awaited<ReturnType<typeof readWaiting>>;

export const readEvents = async (siteId: string) =>
  (await read(`/events?site=${siteId}&limit=${EVENTS_SHOWN}`, listOf(event))).items;

export const readMoves = async (siteId: string) =>
  (await read(`/moves?site=${siteId}&limit=${MOVES_SHOWN}`, listOf(siteMove))).items;

/** From the VPS, live. */
export async function readReport(siteId: string): Promise<StatusReport> {
  const response = await ask('POST', '/orchestrator', { action: 'get_status', payload: {}, siteId });
  const { data, error = `the edge answered ${response.status}` } = orchestratorResponse.parse(
    await response.json(),
  );
  if (!response.ok) throw new Refused(error, response.status);
  return statusReport.parse(data);
}
