import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';

/** A fault put into the product's source as it is loaded, to show that a test would see it. */
export interface Mutation {
  readonly name: string;
  /** From the repository's folder. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

const ROOT = join(import.meta.dirname, '../..');
const HOOK = join(import.meta.dirname, 'mutation-hook.ts');

/** The source of a file with its faults in it. Throws when a place is not found, or found twice. */
export function mutate(path: string, source: string, mutations: readonly Mutation[]): string {
  return mutations
    .filter(({ file }) => join(ROOT, file) === path)
    .reduce((text, { name, file, find, replace }) => {
      const times = text.split(find).length - 1;
      if (times !== 1)
        throw new Error(`mutation "${name}": its place occurs ${times} times in ${file}, not once`);
      return text.replace(find, () => replace);
    }, source);
}

/** A place that is gone must end the test here, not look like a system that does not come up. */
const tryOut = (mutations: readonly Mutation[]): void => {
  for (const { file } of mutations) {
    const path = join(ROOT, file);
    mutate(path, readFileSync(path, 'utf8'), mutations);
  }
};

/** A bundler's plugin that puts them into the files they name. */
export const mutating = (mutations: readonly Mutation[]): Plugin => ({
  name: 'mutating',
  setup({ onLoad }) {
    const paths = new Set(mutations.map(({ file }) => join(ROOT, file)));
    if (paths.size === 0) return;
    onLoad({ filter: /\.ts$/ }, ({ path }) =>
      paths.has(path)
        ? { contents: mutate(path, readFileSync(path, 'utf8'), mutations), loader: 'ts' }
        : undefined,
    );
  },
});

/** The environment in which a Node process loads its sources with these faults in them. */
export function mutatedEnv(mutations: readonly Mutation[]): Record<string, string> {
  if (mutations.length === 0) return {};
  tryOut(mutations);
  return { NODE_OPTIONS: `--import=${pathToFileURL(HOOK).href}`, MUTATIONS: JSON.stringify(mutations) };
}
