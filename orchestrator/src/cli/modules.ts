import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { DEPLOY_BYTES_MAX, type ModuleSource } from '@clawdbot/protocol';
import { CliError, messageOf } from './io.ts';

export interface Sources {
  readonly modules: Record<string, ModuleSource>;
  readonly mainModule: string;
  /** A name for a Worker that was given none. */
  readonly name: string;
}

/** Where a Worker begins when nobody says; the first that is there. */
const MAINS = ['index.js', 'src/index.js', 'index.mjs', 'src/index.mjs', 'worker.js', 'src/worker.js'];

/** A file as text when it is UTF-8, else as base64. */
export function sourceOf(bytes: Uint8Array): ModuleSource {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

/** Files below a folder, without hidden ones and installed packages. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesIn(path);
      return entry.isFile() ? [path] : [];
    })
    .sort();
}

function mainOf(paths: readonly string[], named: string | undefined): string {
  const main = named ?? MAINS.find((path) => paths.includes(path));
  if (main === undefined)
    throw new CliError(`none of the modules is ${MAINS.join(', ')}: name the main one with --main`);
  if (!paths.includes(main))
    throw new CliError(`there is no module ${main}: --main names one of ${paths.join(', ')}`);
  return main;
}

/** `My Shop.v2` → `my-shop-v2`, since a Worker's name is part of a host name. */
export const asName = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63);

/** Reads the modules of a Worker as they are: all files of a folder, or one file. Throws `CliError`. */
export function readSources(path: string, main: string | undefined): Sources {
  const root = resolve(path);
  try {
    const single = statSync(root).isFile();
    const files = single ? [root] : filesIn(root);
    checkSize(files);
    const base = single ? resolve(root, '..') : root;
    const named = files.map((file) => [relative(base, file).split(sep).join('/'), file] as const);
    const mainModule = single
      ? basename(root)
      : mainOf(
          named.map(([name]) => name),
          main,
        );
    const modules = Object.fromEntries(named.map(([name, file]) => [name, sourceOf(readFileSync(file))]));
    return { modules, mainModule, name: asName(basename(root).replace(single ? /\.[^.]+$/ : '', '')) };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function checkSize(files: readonly string[]): void {
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  if (bytes <= DEPLOY_BYTES_MAX) return;
  throw new CliError(
    `the modules have ${bytes} bytes together, and ${DEPLOY_BYTES_MAX} are taken: leave files out`,
  );
}

/** Bytes of all modules together. */
export const sizeOf = (modules: Sources['modules']): number =>
  Object.values(modules).reduce(
    (sum, source) =>
      sum +
      (typeof source === 'string' ? Buffer.byteLength(source) : Buffer.byteLength(source.base64, 'base64')),
    0,
  );
