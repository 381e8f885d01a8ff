import { dirname, resolve, sep } from 'node:path';
import type { BuildFailure, Loader, Message } from 'esbuild';
import { CliError } from '../io.ts';
import { type Sources, sourceOf } from '../modules.ts';
import { FOR_WORKERD } from './for-workerd.ts';
import { requiredNodeModules } from './node-modules.ts';
import { scripts } from './script.ts';

/** As wrangler treats them: https://developers.cloudflare.com/workers/wrangler/bundling/#including-non-javascript-modules */
const LOADERS: Record<string, Loader> = {
  '.txt': 'text',
  '.html': 'text',
  '.sql': 'text',
  '.wasm': 'copy',
  '.bin': 'copy',
};

/** Names the bundle's main module, whatever its source is called. */
const MAIN_MODULE = 'index.js';

/**
 * Bundles a Worker's source into one ES module, as `wrangler deploy` would; WebAssembly and data stay modules of their
 * own. Throws `CliError` with the file and the line of each mistake.
 */
export async function bundle(source: string): Promise<Pick<Sources, 'modules' | 'mainModule'>> {
  // It takes a moment to load, and no other command needs it.
  const { build } = await import('esbuild');
  const outdir = resolve(dirname(source), '.bundle'); // Never written: paths in the bundle are relative to it.
  const { outputFiles = [] } = await build({
    entryPoints: { index: source },
    outdir,
    write: false,
    ...FOR_WORKERD,
    loader: LOADERS,
    plugins: [requiredNodeModules, scripts],
  }).catch((error: unknown) => {
    throw isBuildFailure(error) ? new CliError(complaints(error.errors), { cause: error }) : error;
  });
  const modules = outputFiles.map(
    ({ path, contents }) =>
      [
        path
          .slice(outdir.length + 1)
          .split(sep)
          .join('/'),
        sourceOf(contents),
      ] as const,
  );
  return { modules: Object.fromEntries(modules), mainModule: MAIN_MODULE };
}

const isBuildFailure = (error: unknown): error is BuildFailure =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors);

/** A line for each: `src/index.ts:3:10: Could not resolve "./lib"`. */
const complaints = (errors: readonly Message[]): string =>
  errors
    .map(({ text, location }) =>
      location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`,
    )
    .join('\n');
