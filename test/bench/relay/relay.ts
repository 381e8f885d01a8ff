import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerdBinary } from '../../sandbox/processes/workerd.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { Generator } from '../load/generator.ts';
import { numbers } from '../options.ts';
import { type Machine, machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { startCapnweb, startDirect, startFloor, startOrigin, startProduct } from './paths.ts';
import type { Own } from './processes.ts';
import { measureRounds, PATHS, type Plan, type Sample, type Targets } from './rounds.ts';
import { printable, summarise } from './summary.ts';

const DEFAULTS: Plan = { rounds: 7, seconds: 1.5 };

export const relay = {
  about:
    'requests through the channel, beside a Worker that fetches the origin, Cap’n Web and the least code that relays',
  options: `[--rounds ${DEFAULTS.rounds}] [--seconds ${DEFAULTS.seconds}]`,
  run(args: string[]): Promise<number> {
    const plan = numbers(args, { ...DEFAULTS });
    return withCleanup((cleanup) => benchmark(plan, cleanup));
  },
};

async function benchmark(plan: Plan, cleanup: Cleanup): Promise<number> {
  const before = machine();
  const samples: Sample[] = [];
  const targets = await startPaths(cleanup);
  const generator = new Generator();
  cleanup.add(() => generator.close());
  for await (const sample of measureRounds(generator, targets, plan)) {
    if (samples.at(-1)?.round !== sample.round) console.log(`round ${sample.round + 1} of ${plan.rounds} …`);
    if (sample.errors > 0) console.error(wrong(sample));
    samples.push(sample);
  }
  return report(plan, before, samples);
}

async function startPaths(cleanup: Cleanup): Promise<Targets> {
  console.log(
    'Starting an origin, and in front of it the product, a direct Worker, Cap’n Web and the floor …',
  );
  const dir = mkdtempSync(join(tmpdir(), 'bench-relay-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const own: Own = { dir, cleanup };
  const origin = await startOrigin(own);
  return {
    direct: await startDirect(own, origin),
    capnweb: await startCapnweb(own, origin),
    floor: await startFloor(own, origin),
    product: await startProduct(own, origin),
  };
}

const wrong = ({ path, connections, errors, firstError }: Sample): string =>
  `${errors} wrong replies of ${path} at ${connections} concurrent; the first: ${firstError}`;

/** @returns the exit code: numbers of wrong replies are no result */
function report({ rounds, seconds }: Plan, before: Machine, samples: readonly Sample[]): number {
  const layer = `bare ${execFileSync(workerdBinary(), ['--version'], { encoding: 'utf8' }).trim()}`;
  const rows = summarise(samples);
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
  const replies = samples.reduce((sum, sample) => sum + sample.replies, 0);
  console.log(`
Requests with a 200-byte reply, and downloads of 10 MiB, on ${layer}: medians of ${rounds} interleaved rounds of ${seconds} s.
${before.cpus} × ${before.cpu}, Node ${before.node}, load average before ${before.loadBefore.toFixed(2)}.
Load generator, origin, workerd and Node share these CPUs: trust the ratios, taken within each round.

${printable(rows)}

p99 above 1 concurrent is that of a saturated workerd, which starves some connections: read it at 1.
${replies} replies checked in the measured time, ${errors} wrong.`);
  console.log(
    `Written to ${writeResults('relay', { layer, machine: before, rounds, seconds, paths: PATHS, rows, samples })}`,
  );
  return errors === 0 ? 0 : 1;
}
