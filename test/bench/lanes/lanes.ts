import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { Generator } from '../load/generator.ts';
import type { Measurement } from '../load/job.ts';
import { numbers } from '../options.ts';
import { startOrigin } from '../relay/paths.ts';
import type { Own } from '../relay/processes.ts';
import { turned } from '../relay/rounds.ts';
import { cpuMsOf } from '../report/cpu.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { ratios, type Spread, spread } from '../report/statistics.ts';
import { table } from '../report/table.ts';
import { LANES, type LaneCount, startSystem } from './paths.ts';

const DEFAULTS = { rounds: 7, seconds: 1.5 };
const CONNECTIONS = 256;
const WARMUP_MS = 400;

export const lanes = {
  about:
    'a GET at 256 concurrent over two lanes, beside the same over one: in one workerd lanes must cost nothing',
  options: `[--rounds ${DEFAULTS.rounds}] [--seconds ${DEFAULTS.seconds}]`,
  run(args: string[]): Promise<number> {
    const plan = numbers(args, { ...DEFAULTS });
    return withCleanup((cleanup) => benchmark(plan, cleanup));
  },
};

/** Of all rounds: replies a second, and workerd's CPU time per reply, which busy neighbours change far less. */
type Quantity = 'repliesPerS' | 'workerdUs';
type Samples = Readonly<Record<LaneCount, Record<Quantity, number[]>>>;

async function benchmark(plan: typeof DEFAULTS, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const systems = await startSystems(cleanup);
  // One for each site: a generator has one job at a time.
  const generators = [new Generator(), new Generator()];
  for (const generator of generators) cleanup.add(() => generator.close());
  const samples: Samples = { 1: { repliesPerS: [], workerdUs: [] }, 2: { repliesPerS: [], workerdUs: [] } };
  let errors = 0;
  for (let round = 0; round < plan.rounds; round++) {
    console.log(`round ${round + 1} of ${plan.rounds} …`);
    for (const count of turned(LANES, round)) {
      const { sites, workerd } = systems[count];
      const usedMs = cpuMsOf(workerd);
      const shares = await Promise.all(
        sites.map((address, at) => load(generators[at], address, plan.seconds)),
      );
      const of = (what: 'repliesPerS' | 'served') => shares.reduce((sum, share) => sum + share[what], 0);
      samples[count].repliesPerS.push(of('repliesPerS'));
      samples[count].workerdUs.push(((cpuMsOf(workerd) - usedMs) * 1_000) / of('served'));
      for (const share of shares) errors += complain(share);
    }
  }
  report(samples, plan, before);
  return errors === 0 ? 0 : 1;
}

async function startSystems(cleanup: Cleanup) {
  console.log('Starting an origin, and two systems in front of it: with one lane, and with two …');
  const dir = mkdtempSync(join(tmpdir(), 'bench-lanes-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const own: Own = { dir, cleanup };
  const origin = await startOrigin(own);
  return { 1: await startSystem(own, origin, 1), 2: await startSystem(own, origin, 2) };
}

type Address = Awaited<ReturnType<typeof startSystem>>['sites'][number];

function load(generator: Generator | undefined, address: Address, seconds: number): Promise<Measurement> {
  if (generator === undefined) throw new Error('a site has a generator of its own');
  const measureMs = seconds * 1_000;
  return generator.measure({
    ...{ ...address, sendBytes: 0, connections: CONNECTIONS / 2 },
    ...{ warmupMs: WARMUP_MS, measureMs },
  });
}

function complain({ errors, firstError }: Measurement): number {
  if (errors > 0) console.error(`${errors} wrong replies; the first: ${firstError}`);
  return errors;
}

function report(samples: Samples, plan: typeof DEFAULTS, before: ReturnType<typeof machine>): void {
  const timesOne = (what: Quantity) => spread(ratios(samples[2][what], samples[1][what]));
  const [rate, cpu] = [timesOne('repliesPerS'), timesOne('workerdUs')];
  const cells = ({ median, min, max }: Spread, digits: number) => [
    median.toFixed(digits),
    `${min.toFixed(digits)}–${max.toFixed(digits)}`,
  ];
  const lines = LANES.map((count) => {
    const { repliesPerS, workerdUs } = samples[count];
    return [String(count), ...cells(spread(repliesPerS), 0), ...cells(spread(workerdUs), 0)];
  });
  const titles = ['lanes', 'req/s', '(min–max)', 'CPU µs: workerd', '(min–max)'];
  console.log(`
GET with a 200-byte reply at ${CONNECTIONS} concurrent: medians of ${plan.rounds} interleaved rounds of ${plan.seconds} s.

${table([titles, ...lines, ['2 × 1', ...cells(rate, 2), ...cells(cpu, 2)]])}`);
  console.log(
    `Written to ${writeResults('lanes', { machine: before, ...plan, timesOne: { rate, cpu }, samples })}`,
  );
}
