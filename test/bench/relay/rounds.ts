import type { Generator } from '../load/generator.ts';
import type { Job, Measurement } from '../load/job.ts';
import { cpuMsOf } from '../report/cpu.ts';
import type { Target } from './paths.ts';

export const PATHS = ['product', 'direct', 'capnweb'] as const;
export type PathName = (typeof PATHS)[number];
export type Targets = Readonly<Record<PathName, Target>>;

export const CONCURRENCIES = [1, 32, 256] as const;

/** What one path did at one concurrency in one round. */
export interface Sample extends Measurement {
  readonly round: number;
  readonly path: PathName;
  readonly connections: number;
  /** CPU time per reply, in µs: busy neighbours change it far less than they change the rate. */
  readonly workerdUs: number;
  /** NaN without a Node process besides the origin's. */
  readonly nodeUs: number;
}

export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
}

/** Before each measurement: connections are opened, and a path that has slept is awake again. */
const WARMUP_MS = 400;

/**
 * Every path at every concurrency, round by round: what else happens on the machine hits all paths alike. The
 * order turns by one each round, so that no path is always the one behind another.
 */
export async function* measureRounds(
  generator: Generator,
  targets: Targets,
  plan: Plan,
): AsyncGenerator<Sample> {
  for (let round = 0; round < plan.rounds; round++) {
    for (const connections of CONCURRENCIES) {
      for (const path of turned(PATHS, round)) {
        const job = {
          ...targets[path].address,
          connections,
          warmupMs: WARMUP_MS,
          measureMs: plan.seconds * 1_000,
        };
        yield { round, path, connections, ...(await measure(generator, targets[path], job)) };
      }
    }
  }
}

async function measure(generator: Generator, { pids }: Target, job: Job) {
  const { workerd, node = Number.NaN } = pids;
  const before = { workerd: cpuMsOf(workerd), node: cpuMsOf(node) };
  const measured = await generator.measure(job);
  const usPerReply = (usedMs: number) => (usedMs * 1_000) / measured.served;
  return {
    ...measured,
    workerdUs: usPerReply(cpuMsOf(workerd) - before.workerd),
    nodeUs: usPerReply(cpuMsOf(node) - before.node),
  };
}

export const turned = <T>(list: readonly T[], by: number): T[] => {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
};
