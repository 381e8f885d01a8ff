import './hooks.ts';
import { parentPort } from 'node:worker_threads';
import type { Share } from './pool.ts';

const { simulate } = await import('./run.ts');

parentPort?.on('message', async ({ from, to }: Share) => {
  const outcomes = [];
  for (let seed = from; seed < to; seed++) outcomes.push(await simulate(seed, { traced: false }));
  parentPort?.postMessage(outcomes);
});
