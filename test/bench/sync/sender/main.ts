/** The process that writes and sends: does the jobs that its parent gives it, one at a time. */
import { Bare } from './bare.ts';
import type { Job, Reply, SenderEnv } from './contract.ts';
import { type Path, perform } from './path.ts';
import { Product } from './product.ts';

const env = process.env as unknown as SenderEnv; // Its parent sets all of them (../sender.ts).
const paths: Partial<Record<Job['path'], Path>> = {};

function pathOf(name: Job['path']): Path {
  const path = paths[name] ?? (name === 'product' ? new Product(env) : new Bare(env));
  paths[name] = path;
  return path;
}

async function reply(job: Job): Promise<Reply> {
  try {
    const path = pathOf(job.path);
    const start = performance.now();
    await perform(path, job);
    return { ms: performance.now() - start };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', async (job: Job) => {
  process.send?.(await reply(job));
});
process.on('disconnect', () => process.exit());
