import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../report/statistics.ts';
import { Connection } from './connection.ts';
import type { Job, Measurement } from './job.ts';

/** After the measured time, the replies under way may take this long. */
const LAST_REPLIES_MS = 5_000;

/** Numbers every request of this process, so that no two replies are alike. */
let requests = 0;

/** Loads one path with `connections` requests at a time and measures what comes back. */
export async function run(job: Job): Promise<Measurement> {
  const latencies: number[] = [];
  const errors: string[] = [];
  let served = 0;
  const window = { from: performance.now() + job.warmupMs, to: 0 };
  window.to = window.from + job.measureMs;
  const events = {
    next: () => ++requests,
    replied: (sentAt: number) => {
      served++;
      const now = performance.now();
      if (now >= window.from && now < window.to) latencies.push(now - sentAt);
    },
    failed: (reason: string) => errors.push(reason),
  };
  const connections = Array.from({ length: job.connections }, () => new Connection(job, events));
  await delay(job.warmupMs + job.measureMs);
  await endAll(connections);
  return { ...summary(latencies, job.measureMs, errors), served };
}

async function endAll(connections: readonly Connection[]): Promise<void> {
  for (const connection of connections) connection.stop();
  const timer = setTimeout(() => {
    for (const connection of connections) connection.destroy();
  }, LAST_REPLIES_MS);
  await Promise.all(connections.map(({ ended }) => ended));
  clearTimeout(timer);
}

function summary(latencies: number[], measureMs: number, errors: string[]): Omit<Measurement, 'served'> {
  const sorted = Float64Array.from(latencies).sort();
  const [firstError] = errors;
  return {
    replies: sorted.length,
    repliesPerS: (sorted.length * 1_000) / measureMs,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    errors: errors.length,
    ...(firstError === undefined ? {} : { firstError }),
  };
}
