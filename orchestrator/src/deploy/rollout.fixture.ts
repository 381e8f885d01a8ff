/** A Worker that serves everybody, and a version that is to take its place step by step. */
import { beforeEach } from 'vitest';
import { bench, FIRST, gradual, ownBench } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';

/** What served everybody before. */
export let before: string;

/** Each test of the file that says so has such a Worker of its own. */
export function ownWorker(): void {
  ownBench();
  beforeEach(async () => {
    bench.cloudflare.serveBy(saying);
    before = (await bench.deploy({ commandId: FIRST })).versionId;
    bench.milestones.length = 0;
    bench.details.length = 0;
    bench.events.length = 0;
  });
}

export const start = (more: object = {}) => bench.deploy({ strategy: gradual(more) });
/** Every division of traffic since the first deployment, oldest first. */
export const divisions = () =>
  bench
    .script()
    .deployments.toReversed()
    .slice(1)
    .map(({ versions }) => versions.map(({ percentage }) => percentage));
