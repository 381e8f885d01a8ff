import { defineConfig } from 'vitest/config';

/**
 * - `node`: unit tests beside the source of everything that runs in Node.
 * - `workerd`, `workerd-alone`: the edge's tests, inside workerd (edge-worker/vitest.project.ts).
 * - `templates`: the Workers that we ship, inside workerd too.
 * - `e2e`: the whole system as real processes. It runs after the others.
 * - `timing`: those of them that measure how soon something is noticed, one file at a time.
 * - `browser`: the dashboard on the whole system and the tag on a page, in a real Chromium.
 * - `faults`: the whole system, broken on purpose.
 * - `simulation`: both sides in one process under simulated time, on all cores: one file at a time.
 */
const TIMING = ['dialling', 'moves', 'outages', 'takeover'].map((name) => `test/e2e/${name}.test.ts`);

/** Files at a time: Vitest itself would leave one of two cores idle. */
const WORKERS = 2;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          maxWorkers: WORKERS,
          isolate: false,
          include: [
            'protocol/src/**/*.test.ts',
            'orchestrator/src/**/*.test.ts',
            'edge-worker/dashboard/src/**/*.test.ts',
            'test/{sandbox,bench,contract}/**/*.test.ts',
          ],
        },
      },
      './edge-worker/vitest.config.ts',
      './edge-worker/vitest.alone.config.ts',
      './orchestrator/templates/vitest.config.ts',
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: TIMING,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'timing',
          include: TIMING,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 5 },
        },
      },
    ],
    coverage: { provider: 'istanbul', include: ['{protocol,orchestrator,edge-worker}/src/**/*.ts'] },
  },
});
