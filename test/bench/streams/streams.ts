import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerdBinary } from '../../sandbox/processes/workerd.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { numbers } from '../options.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { percentile } from '../report/statistics.ts';
import { ownSandbox } from '../sandbox.ts';
import { stalledAtBareWorker } from './bare/bare.ts';
import { carryBodies } from './bodies.ts';
import { Customers, latencies, read, type Site } from './customers.ts';
import { Watch } from './memory.ts';

const DEFAULTS = { stalled: 200, requests: 1_000, bodyMb: 100 };
/** Requests a second while streams are stalled: below what this system can do on two cores. */
const RATE_PER_S = 100;
const MAX = { delayMs: 100, stalledMib: 64, bodyMib: 48 };

export const streams = {
  about: 'what a stalled customer costs the others, and how much memory bodies of 100 MB take',
  options: Object.entries(DEFAULTS)
    .map(([name, value]) => `[--${name} ${value}]`)
    .join(' '),
  run(args: string[]): Promise<number> {
    const plan = numbers(args, { ...DEFAULTS });
    return withCleanup((cleanup) => benchmark(plan, cleanup));
  },
};

async function benchmark(plan: typeof DEFAULTS, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const dir = mkdtempSync(join(tmpdir(), 'bench-streams-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const { relayUrl, siteId, pids } = await ownSandbox(dir, cleanup);
  const site: Site = { relayUrl, siteId };
  const watch = new Watch({ edge: pids['edge'] ?? 0, orchestrator: pids['orchestrator'] ?? 0 });
  cleanup.add(() => watch.stop());
  await latencies(site, plan.requests, RATE_PER_S); // Everything is warm from here on.

  const alone = await latencies(site, plan.requests, RATE_PER_S);
  const one = await beside(site, 1, () => latencies(site, plan.requests, RATE_PER_S));
  // As many who read: what passes through leaves both heaps at their size, which is not what stalled ones hold.
  await read(site, plan.stalled, 4 * 1024 * 1024);
  watch.restart();
  await beside(site, plan.stalled, () => latencies(site, plan.requests, RATE_PER_S));
  const stalled = watch.grown;
  const bare = await stalledAtBareWorker({ dir, cleanup }, plan.stalled);

  await carryBodies(site, 20_000_000);
  watch.restart();
  await carryBodies(site, plan.bodyMb * 1_000_000);
  const bodies = watch.grown;

  const p99 = { alone: percentile(alone, 0.99), beside: percentile(one, 0.99) };
  const layer = `bare ${execFileSync(workerdBinary(), ['--version'], { encoding: 'utf8' }).trim()}`;
  console.log(`
On ${layer}; ${before.cpus} × ${before.cpu}, Node ${before.node}, load average before ${before.loadBefore.toFixed(2)}.
${plan.requests} requests at ${RATE_PER_S}/s: p99 ${p99.alone.toFixed(1)} ms alone, ${p99.beside.toFixed(1)} ms beside a stalled stream.
${plan.stalled} stalled customers, behind as many who read 4 MiB each: workerd grew by ${stalled.edge.toFixed(0)} MiB, Node by ${stalled.orchestrator.toFixed(0)} MiB.
As many at a Worker that only streams, without a relay: its workerd grew by ${bare.toFixed(0)} MiB.
${plan.bodyMb} MB up and ${plan.bodyMb} MB down at once: workerd grew by ${bodies.edge.toFixed(0)} MiB, Node by ${bodies.orchestrator.toFixed(0)} MiB.`);
  console.log(
    `Written to ${writeResults('streams', { layer, machine: before, ...plan, p99, stalled, bare, bodies })}`,
  );
  const good =
    p99.beside - p99.alone < MAX.delayMs &&
    stalled.edge + stalled.orchestrator < MAX.stalledMib &&
    Math.max(bodies.edge, bodies.orchestrator) < MAX.bodyMib;
  return good ? 0 : 1;
}

/** Does `work` while customers have asked for much, and read nothing of it. */
async function beside<T>(site: Site, count: number, work: () => Promise<T>): Promise<T> {
  const customers = await Customers.stalled(site, count);
  try {
    return await work();
  } finally {
    customers.leave();
  }
}
