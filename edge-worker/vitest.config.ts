import { fileURLToPath } from 'node:url';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineProject } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests that run in workerd, on the Worker as it ships: its own config, real Durable Objects, a real D1. */
export default defineProject(async () => ({
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
  test: { name: 'workerd', include: ['src/**/*.test.ts'], setupFiles: [here('src/tables.fixture.ts')] },
}));
