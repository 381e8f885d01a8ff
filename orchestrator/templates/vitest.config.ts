import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineProject } from 'vitest/config';

/** The templates' own tests, in workerd, as they run when they are deployed. */
export default defineProject({
  root: import.meta.dirname,
  plugins: [cloudflareTest({ remoteBindings: false, miniflare: { compatibilityDate: '2026-11-01' } })],
  // As the root's vitest.config.ts says for all that run beside these.
  test: { name: 'templates', include: ['**/*.test.ts'], maxWorkers: 2 },
});
