import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';
import { Operator as Seeder } from '../../sandbox/seed/demo-site.ts';
import { DEMO } from '../../sandbox/seed/tenants.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { numbers } from '../options.ts';
import { cpuMsOf } from '../report/cpu.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { percentile } from '../report/statistics.ts';
import { table } from '../report/table.ts';
import { ownSandbox } from '../sandbox.ts';
import { type Edit, measureEdits } from './edits.ts';
import { each, type Push, pushToAll } from './fleet.ts';
import { Live } from './live.ts';
import { Operator } from './operator.ts';

const DEFAULTS = { edits: 200, sites: 500, rounds: 3 };
type Plan = typeof DEFAULTS;
/** With the CPU time that each site costs. */
type FleetPush = Push & { readonly cpu: Cpu };

/** What it must reach, in milliseconds. */
const GOAL = { p50: 60, p99: 250, fleet: 5_000 };

export const config = {
  about:
    'a config edit until the VPS runs it, a customer is answered by it and a dashboard shows it; and to many sites',
  options: Object.entries(DEFAULTS)
    .map(([name, value]) => `[--${name} ${value}]`)
    .join(' '),
  run(args: string[]): Promise<number> {
    const plan = numbers(args, { ...DEFAULTS });
    return withCleanup((cleanup) => benchmark(plan, cleanup));
  },
};

async function benchmark(plan: Plan, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const dir = mkdtempSync(join(tmpdir(), 'bench-config-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  console.log('Starting a system of its own …');
  const file = await ownSandbox(dir, cleanup);
  const seeder = new Seeder(file.edgeUrl, file.adminToken);
  const siteIds = Array.from({ length: plan.sites }, (_, n) => `bench-${n}`);
  const create = (siteId: string) => seeder.createSite({ ...DEMO, siteId, siteName: siteId });
  await create('edited');
  const operator = new Operator(file);
  const live = await Live.open(file.edgeUrl, file.adminToken, cleanup);
  const edits = await measureEdits(file, { operator, live, siteId: 'edited', edits: plan.edits });
  await each(siteIds, create);
  const pushes: FleetPush[] = [];
  for (let base = 0; base < plan.rounds; base++) {
    const routes = [{ path: `/${base}/*`, upstream: file.upstreamUrl, offline: 'unavailable' }];
    const cpu = cpuOf(file);
    const push = await pushToAll({ operator, live }, siteIds, base, { routes });
    pushes.push({ ...push, cpu: perSite(cpuOf(file), cpu, plan.sites) });
  }
  console.log(`
${plan.edits} edits of one site, one after the other, by the edge's HTTP API on bare workerd; milliseconds from the request.
${before.cpus} × ${before.cpu}, Node ${before.node}, load average before ${before.loadBefore.toFixed(2)}.

${table(editRows(edits))}

One config to each of ${plan.sites} sites of one orchestrator, 8 requests at once: milliseconds from the first.

${table(pushRows(pushes))}
`);
  const failed = missed(edits, pushes);
  for (const miss of failed) console.log(`MISSED: ${miss}`);
  console.log(
    `Written to ${writeResults('config', { machine: before, ...plan, goal: GOAL, edits, pushes })}`,
  );
  return failed.length === 0 ? 0 : 1;
}

type Cpu = Record<'edge' | 'orchestrator', number>;

/** CPU time in milliseconds: what others do on this machine changes it little. */
const cpuOf = ({ pids }: SandboxFile): Cpu => ({
  edge: cpuMsOf(pids['edge'] ?? Number.NaN),
  orchestrator: cpuMsOf(pids['orchestrator'] ?? Number.NaN),
});
const perSite = (after: Cpu, before: Cpu, sites: number): Cpu => ({
  edge: (after.edge - before.edge) / sites,
  orchestrator: (after.orchestrator - before.orchestrator) / sites,
});

const STEPS = {
  taken: 'taken by the edge',
  applied: 'applied on the VPS and at the edge',
  answered: 'a customer is answered by it',
  live: 'shown on /live',
} as const satisfies Record<keyof Edit, string>;
const stepsOf = Object.entries(STEPS) as [keyof Edit, string][];

const at = (edits: readonly Edit[], step: keyof Edit, share: number): number =>
  percentile(
    edits.map((edit) => edit[step]).sort((a, b) => a - b),
    share,
  );

const editRows = (edits: readonly Edit[]): string[][] => [
  ['', 'p50', 'p90', 'p99', 'max'],
  ...stepsOf.map(([step, words]) => [
    words,
    ...[0.5, 0.9, 0.99, 1].map((share) => at(edits, step, share).toFixed(1)),
  ]),
];

const pushRows = (pushes: readonly FleetPush[]): string[][] => [
  ['round', 'taken', 'applied and on /live', 'CPU ms a site: edge', 'orchestrator'],
  ...pushes.map(({ taken, applied, cpu }, n) => [
    String(n + 1),
    ...[taken, applied].map((ms) => ms.toFixed(0)),
    ...[cpu.edge, cpu.orchestrator].map((ms) => ms.toFixed(1)),
  ]),
];

function missed(edits: readonly Edit[], pushes: readonly Push[]): string[] {
  const misses = stepsOf.flatMap(([step, words]) =>
    [
      { name: 'p50', share: 0.5, most: GOAL.p50 },
      { name: 'p99', share: 0.99, most: GOAL.p99 },
    ]
      .filter(({ share, most }) => at(edits, step, share) >= most)
      .map(({ name, most }) => `${words}: ${name} is not under ${most} ms`),
  );
  const slowest = Math.max(...pushes.map(({ applied }) => applied));
  return slowest < GOAL.fleet ? misses : [...misses, `to all sites: not under ${GOAL.fleet} ms`];
}
