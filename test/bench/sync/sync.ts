import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerdBinary } from '../../sandbox/processes/workerd.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { numbers } from '../options.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { measureMemory } from './memory.ts';
import { measureOutage } from './outage.ts';
import { measureRounds, type Plan, type Sample } from './rounds.ts';
import { memoryLine, outageLine, printable, summarise } from './summary.ts';
import { startSender, startSystem } from './system.ts';

/** `events`: how many pass while memory is watched. */
const DEFAULTS = { rounds: 5, sample: 40_000, events: 1_000_000 };

export const sync = {
  about: 'events from SQLite to the object and into D1, beside a bare loop that only writes the same rows',
  options: Object.entries(DEFAULTS)
    .map(([name, value]) => `[--${name} ${value}]`)
    .join(' '),
  run(args: string[]): Promise<number> {
    const plan = numbers(args, { ...DEFAULTS });
    return withCleanup((cleanup) => benchmark(plan, cleanup));
  },
};

async function benchmark(plan: Plan & { readonly events: number }, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const dir = mkdtempSync(join(tmpdir(), 'bench-sync-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  console.log('Starting the edge, a bare loop beside it, and a sender in the orchestrator’s place …');
  const system = await startSystem(dir, cleanup);
  const sender = startSender(system);
  for (const path of ['bare', 'product'] as const) {
    await sender.do(path, 'connect');
    await sender.do(path, 'batched', plan.sample); // Both are warm from here on.
  }
  const samples: Sample[] = [];
  for await (const sample of measureRounds(system, sender, plan)) samples.push(sample);
  const layer = `bare ${execFileSync(workerdBinary(), ['--version'], { encoding: 'utf8' }).trim()}`;
  const rows = summarise(samples);
  console.log(`
Durable and acknowledged, zod on for every frame and entry, on ${layer}; D1 is Miniflare's simulator in the same
workerd. Medians of ${plan.rounds} interleaved rounds of ${plan.sample} events, a twentieth of them where they go alone.
${before.cpus} × ${before.cpu}, Node ${before.node}, load average before ${before.loadBefore.toFixed(2)}.

${printable(rows)}

The bare loop: better-sqlite3 → ws → one json_each statement in an object → a number back; no schemas, no log, no D1.
D1 refuses everything in all rows but the last, whose time ends when D1 has it all.
`);
  const memory = await measureMemory(system, sender, plan.events);
  console.log(memoryLine(memory));
  const outage = await measureOutage(system, sender);
  console.log(outageLine(outage));
  const results = { layer, machine: before, ...plan, rows, outage, memory, samples };
  console.log(`Written to ${writeResults('sync', results)}`);
  return outage.outOfOrder === 0 ? 0 : 1;
}
