import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_CALLS_PER_WINDOW, API_WINDOW_S } from '@clawdbot/protocol';
import type { Call } from '../../sandbox/cloudflare/api/calls.ts';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { each } from '../config/fleet.ts';
import { numbers } from '../options.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { median } from '../report/statistics.ts';
import { ownSandbox } from '../sandbox.ts';
import { callsByWorker, mostWithin } from './calls.ts';
import { fleet as runFleet, type Summary } from './clawctl.ts';

const DEFAULTS = { sites: 500 };
const LABEL = { bench: 'fleet' };

export const fleet = {
  about: 'one template to many sites by "clawctl fleet": observed, seconds, and API calls against the budget',
  options: `[--sites ${DEFAULTS.sites}]`,
  run(args: string[]): Promise<number> {
    const { sites } = numbers(args, DEFAULTS);
    return withCleanup((cleanup) => benchmark(sites, cleanup));
  },
};

/** What was measured. */
interface Measured extends Omit<Summary, 'outcomes'> {
  readonly seconds: number;
  readonly calls: number;
  /** The median of all. */
  readonly callsPerDeploy: number;
  readonly mostInWindow: number;
}

async function benchmark(sites: number, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const dir = mkdtempSync(join(tmpdir(), 'bench-fleet-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  console.log('Starting a system of its own …');
  const file = await ownSandbox(dir, cleanup);
  const siteIds = Array.from({ length: sites }, (_, n) => `fleet-${n}`);
  await each(siteIds, (siteId) => createSite(file, siteId));
  console.log(`clawctl fleet, ${sites} sites:`);
  const begun = performance.now();
  const args = ['--template', 'site-tag', '--label', 'bench=fleet', '--rate', '9999', '--at-once', '20'];
  const { outcomes, ...summary } = await runFleet(file, args, cleanup);
  const seconds = (performance.now() - begun) / 1_000;
  const calls = await callsAt(file);
  const measured = { ...summary, seconds, ...counted(calls) };
  tell(measured);
  for (const { siteId, state, why } of outcomes.filter((one) => one.state !== 'succeeded').slice(0, 10))
    console.log(`${siteId}: ${state} ${why ?? ''}`);
  console.log(`Written to ${writeResults('fleet', { machine: before, ...measured, outcomes, calls })}`);
  return verdict(measured);
}

async function createSite({ edgeUrl, adminToken, orchestratorId }: SandboxFile, id: string): Promise<void> {
  const response = await fetch(`${edgeUrl}/api/v1/sites`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id, name: id, orchestratorId, labels: LABEL }),
  });
  if (!response.ok) throw new Error(`${id}: ${await response.text()}`);
}

/** As the stand-in has counted them, whoever made them: the looks for drift too. */
async function callsAt({ cloudflareApiUrl }: SandboxFile): Promise<Call[]> {
  return (await (await fetch(new URL('/_calls', cloudflareApiUrl))).json()) as Call[]; // Its own list.
}

const counted = (calls: readonly Call[]) => ({
  calls: calls.length,
  callsPerDeploy: median([...callsByWorker(calls).values()]),
  mostInWindow: mostWithin(calls, API_WINDOW_S * 1_000),
});

function tell({ sites, observed, deployed, failed, notBegun, seconds, ...api }: Measured): void {
  console.log(`
${observed} of ${sites} sites observed, ${deployed - observed} deployed and not observed, ${failed} failed, ${notBegun} not begun, in ${seconds.toFixed(1)} s
API calls: ${api.calls} in all, ${api.callsPerDeploy} for a deployment; at most ${api.mostInWindow} in any ${API_WINDOW_S} s, of ${API_CALLS_PER_WINDOW}
`);
}

/** @returns the exit code */
function verdict({ sites, observed, mostInWindow }: Measured): number {
  if (observed < sites) console.log(`MISSED: ${sites - observed} sites were not observed`);
  if (mostInWindow > API_CALLS_PER_WINDOW) console.log('MISSED: the budget of the token was exceeded');
  return observed === sites && mostInWindow <= API_CALLS_PER_WINDOW ? 0 : 1;
}
