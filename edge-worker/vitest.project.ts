import { fileURLToPath } from 'node:url';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineProject } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests that run in workerd, on the Worker as it ships: its own config, real Durable Objects, a real D1. */
export const inWorkerd = (test: { name: string; include: string[]; exclude?: string[]; isolate?: boolean }) =>
  defineProject(async () => ({
    root: here('.'),
    plugins: [
      cloudflareTest({
        wrangler: { configPath: here('wrangler.jsonc') },
        remoteBindings: false,
        miniflare: {
          bindings: {
            JWT_SECRET: 'only-good-in-these-tests',
            SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
            // The last ones put triggers on tables that are the existing API's.
            MIGRATIONS: [
              ...(await readD1Migrations(here('../test/sandbox'))),
              ...(await readD1Migrations(here('migrations'))),
            ],
          },
          // The dashboard need not be built for the Worker's tests.
          assets: { directory: here('src/dashboard.fixture'), binding: 'ASSETS' },
        },
      }),
    ],
    // As the root's vitest.config.ts says for all that run beside these.
    test: { maxWorkers: 2, ...test, setupFiles: [here('src/tables.fixture.ts')] },
  }));

/**
 * They write into tables that all orchestrators of an organisation share, or count what is in them: each has a D1 of its own.
 * Others share a workerd and its D1, and name what they make after themselves: a start for each file cost 3 s of 4.
 */
export const ALONE = [
  'src/revocation.test.ts',
  'src/sweep.test.ts',
  'src/api/import-sites.test.ts',
  'src/channel/move/move.test.ts',
  'src/channel/new-database.test.ts',
  'src/channel/shared-rows.test.ts',
  'src/data/sync-outbox.test.ts',
];
