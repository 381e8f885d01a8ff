import './hooks.ts';
import { parentPort } from 'node:worker_threads';
import type { Share } from './pool.ts';

const { simulate } = await import('./run.ts');

// Whoever replays a seed sees where an error came from; here they are only counted, and taking them costs time.
Error.stackTraceLimit = 0;

parentPort?.on('message', async ({ from, to, only }: Share) => {
  const outcomes = [];
  for (let seed = from; seed < to; seed++) outcomes.push(await simulate(seed, { traced: false, only }));
  parentPort?.postMessage(outcomes);
});
