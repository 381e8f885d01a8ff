import { defineConfig } from 'vitest/config';

/**
 * - `node`: unit tests beside the source of everything that runs in Node.
 * - `workerd`: the edge's tests, inside workerd (edge-worker/vitest.config.ts).
 * - `e2e`: the whole system as real processes. It runs after the others and one file at a time, because it
 *   measures how soon something is noticed.
 * - `browser`: the dashboard, in a real Chromium on the whole system.
 * - `faults`: the whole system, broken on purpose, one file at a time as well.
 * - `simulation`: both sides in one process under simulated time, on all cores: one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: [
            'protocol/src/**/*.test.ts',
            'orchestrator/src/**/*.test.ts',
            'edge-worker/dashboard/src/**/*.test.ts',
            'test/{sandbox,bench,contract}/**/*.test.ts',
          ],
        },
      },
      './edge-worker/vitest.config.ts',
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
    coverage: { provider: 'istanbul', include: ['{protocol,orchestrator,edge-worker}/src/**/*.ts'] },
  },
});
