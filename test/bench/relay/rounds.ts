import { answers, becomes } from '../../sandbox/processes/polling.ts';
import type { Generator } from '../load/generator.ts';
import type { Job, Measurement } from '../load/job.ts';
import { cpuMsOf } from '../report/cpu.ts';
import { LARGE_BYTES } from './origin/body.ts';
import { type Target, urlOf } from './paths.ts';

export const PATHS = ['product', 'direct', 'capnweb', 'floor'] as const;
export type PathName = (typeof PATHS)[number];
export type Targets = Readonly<Record<PathName, Target>>;

/** One kind of request, by so many customers at a time. */
export interface Workload {
  readonly name: string;
  readonly connections: number;
  readonly sendBytes: number;
  /** The reply is the origin's large one. */
  readonly large: boolean;
  /** Those that can: the floor passes no upload on, and Cap'n Web's end here holds bodies whole. */
  readonly paths: readonly PathName[];
}

const small = (connections: number): Workload => ({
  ...{ name: 'GET', connections, sendBytes: 0, large: false, paths: PATHS },
});
export const WORKLOADS: readonly Workload[] = [
  ...[1, 32, 256].map(small),
  { ...small(32), name: 'POST 64 KiB', sendBytes: 64 * 1024, paths: ['product', 'direct'] },
  { ...small(1), name: 'GET 10 MiB', large: true, paths: ['product', 'direct', 'floor'] },
];

/** What one path did with one workload in one round. */
export interface Sample extends Measurement {
  readonly round: number;
  readonly path: PathName;
  readonly workload: string;
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

/** Before each measurement: connections are opened, and what runs often is compiled. */
const WARMUP_MS = 400;
/** An object that has slept is awake again, and Cap'n Web's peer has dialled anew: its tables do not outlive a sleep. */
const AWAKE_MS = 10_000;

/**
 * Every path with every workload, round by round: what else happens on the machine hits all paths alike. The
 * order turns by one each round, so that no path is always the one behind another.
 */
export async function* measureRounds(
  generator: Generator,
  targets: Targets,
  plan: Plan,
): AsyncGenerator<Sample> {
  for (let round = 0; round < plan.rounds; round++) {
    for (const workload of WORKLOADS) {
      for (const path of turned(workload.paths, round)) {
        const job = jobOf(workload, targets[path].address, plan.seconds * 1_000);
        const { name, connections } = workload;
        yield { round, path, workload: name, connections, ...(await measure(generator, targets[path], job)) };
      }
    }
  }
}

const jobOf = (
  { connections, sendBytes, large }: Workload,
  address: Target['address'],
  measureMs: number,
): Job => ({
  ...address,
  path: large ? `${address.path}/large` : address.path,
  sendBytes,
  ...(large ? { largeReplyBytes: LARGE_BYTES } : {}),
  connections,
  warmupMs: WARMUP_MS,
  measureMs,
});

async function measure(generator: Generator, { address, pids }: Target, job: Job) {
  if (!(await becomes(() => answers(urlOf(address)), AWAKE_MS)))
    throw new Error(`${address.host} does not answer`);
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
