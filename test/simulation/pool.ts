import { Worker, type WorkerOptions } from 'node:worker_threads';
import { type Mutation, mutatedEnv } from '../sandbox/mutation.ts';
import type { Fault } from './faults.ts';
import type { Outcome } from './run.ts';

export interface PoolOptions {
  /** The first seed. */
  readonly from: number;
  readonly runs: number;
  readonly workers: number;
  readonly say: (line: string) => void;
  /** Faults in the product's source, to show that they are seen. */
  readonly mutations?: readonly Mutation[];
  /** No other faults than these, so that what they show is soon seen. */
  readonly only?: readonly Fault[];
  /** What ends it before all have run. */
  readonly until?: (outcome: Outcome) => boolean;
}

export interface Summary {
  readonly runs: number;
  readonly simulatedHours: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly failed: readonly Outcome[];
}

/** Seeds that a worker is given at a time: few enough that all workers end together. */
const SHARE = 50;
const PROGRESS_MS = 20_000;

/** What a worker is told, and what it answers. */
export interface Share {
  readonly from: number;
  readonly to: number;
  readonly only?: readonly Fault[] | undefined;
}

/** Runs the seeds on all cores, says how far it is, and prints what broke with the line that replays it. */
export async function runAll({
  from,
  runs,
  workers,
  say,
  mutations = [],
  only,
  until = () => false,
}: PoolOptions): Promise<Summary> {
  const began = performance.now();
  const outcomes: Outcome[] = [];
  let next = from;
  const end = from + runs;
  const seconds = () => ((performance.now() - began) / 1_000).toFixed(0);
  const progress = setInterval(() => say(`${outcomes.length} of ${runs} runs, ${seconds()} s`), PROGRESS_MS);
  try {
    await Promise.all(
      Array.from({ length: workers }, async () => {
        const worker = new Worker(new URL('./worker.ts', import.meta.url), loading(mutations));
        try {
          while (next < end) {
            const share: Share = { from: next, to: Math.min(end, next + SHARE), only };
            next = share.to;
            const ran = await ask(worker, share);
            outcomes.push(...ran);
            if (ran.some(until)) next = end;
          }
        } finally {
          await worker.terminate();
        }
      }),
    );
  } finally {
    clearInterval(progress);
  }
  const summary = summarise(outcomes);
  say(
    `${summary.runs} runs, ${summary.simulatedHours.toFixed(0)} simulated hours, ${summary.failed.length} failed, ${seconds()} s`,
  );
  say(
    Object.entries(summary.counts)
      .sort(([, a], [, b]) => b - a)
      .map(([kind, times]) => `${kind} ${times}`)
      .join(' · '),
  );
  for (const { seed, violations } of summary.failed.slice(0, 10)) {
    say(`seed ${seed}: ${violations.slice(0, 3).join('; ')}\n  npm run simulate -- --seed ${seed}`);
  }
  return summary;
}

/** A thread of its own loads the sources itself, and so with the faults in them. */
const loading = (mutations: readonly Mutation[]): WorkerOptions => {
  if (mutations.length === 0) return {};
  const { NODE_OPTIONS = '', ...env } = mutatedEnv(mutations);
  return { env: { ...process.env, ...env }, execArgv: [NODE_OPTIONS] };
};

function ask(worker: Worker, share: Share): Promise<Outcome[]> {
  return new Promise((resolve, reject) => {
    const answered = (outcomes: Outcome[]) => {
      worker.off('error', reject);
      resolve(outcomes);
    };
    worker.once('message', answered);
    worker.once('error', reject);
    worker.postMessage(share);
  });
}

function summarise(outcomes: readonly Outcome[]): Summary {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes)
    for (const [kind, times] of Object.entries(outcome.counts)) counts[kind] = (counts[kind] ?? 0) + times;
  return {
    runs: outcomes.length,
    simulatedHours: outcomes.reduce((sum, { simulatedMs }) => sum + simulatedMs, 0) / 3_600_000,
    counts,
    failed: outcomes.filter(({ violations }) => violations.length > 0).sort((a, b) => a.seed - b.seed),
  };
}
