import { createRequire } from 'node:module';
import { z } from 'zod';

/** workerd and Miniflare are wrangler's own dependencies: the sandbox runs the very versions it brings. */
export const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'));

/** The workerd binary itself, whose process is the one to kill: the package's only export is its path. */
export const workerdBinary = (): string =>
  z.object({ default: z.string() }).parse(fromWrangler('workerd')).default;
