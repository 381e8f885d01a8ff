import type { BuildOptions } from 'esbuild';

/** How a Worker is bundled into one ES module, as wrangler does it. */
export const FOR_WORKERD = {
  bundle: true,
  format: 'esm',
  target: 'es2024',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*', 'node:*'],
  logLevel: 'silent',
} satisfies BuildOptions;
