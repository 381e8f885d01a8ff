import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain } from '@clawdbot/protocol';
import { type ParseError, parse as parseJsonc, printParseErrorCode } from 'jsonc-parser';
import { parse as parseToml, TomlError } from 'smol-toml';
import { z } from 'zod';
import { CliError } from '../io.ts';

const FILES = ['wrangler.jsonc', 'wrangler.json', 'wrangler.toml'];
/** Where a Worker begins when nobody says; the first that is there. */
const MAINS = ['index', 'src/index', 'worker', 'src/worker'].flatMap((path) =>
  ['ts', 'js', 'mjs'].map((ending) => `${path}.${ending}`),
);
/** Of wrangler's config: what changes nothing about what is deployed, or what every deployment has anyway. */
const PASSED_OVER = ['$schema', 'account_id', 'dev', 'send_metrics', 'version_metadata', 'workers_dev'];

const wranglerConfig = z.looseObject({
  name: z.string().optional(),
  main: z.string().optional(),
  compatibility_date: z.string().optional(),
  compatibility_flags: z.array(z.string()).optional(),
  vars: z.record(z.string(), z.string('expected text: other variables are not deployed')).optional(),
});
type WranglerConfig = z.infer<typeof wranglerConfig>;
const KNOWN = new Set([...Object.keys(wranglerConfig.shape), ...PASSED_OVER]);

/** What a folder says of its Worker. */
export interface Project {
  readonly config: WranglerConfig;
  /** Members of the config that say something which is not deployed. */
  readonly ignored: readonly string[];
}

/** Reads `wrangler.jsonc`, `.json` or `.toml`; empty when there is none. Throws `CliError`. */
export function readProject(folder: string): Project {
  const name = FILES.find((file) => existsSync(join(folder, file)));
  if (name === undefined) return { config: {}, ignored: [] };
  const file = join(folder, name);
  const text = readFileSync(file, 'utf8');
  const parsed = wranglerConfig.safeParse(name.endsWith('.toml') ? ofToml(text, file) : ofJsonc(text, file));
  if (!parsed.success) throw new CliError(`${file}: ${explain(parsed.error)}`);
  return { config: parsed.data, ignored: Object.keys(parsed.data).filter((key) => !KNOWN.has(key)) };
}

function ofJsonc(text: string, file: string): unknown {
  const errors: ParseError[] = [];
  const content: unknown = parseJsonc(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error === undefined) return content;
  const line = text.slice(0, error.offset).split('\n').length;
  throw new CliError(`${file}:${line}: ${printParseErrorCode(error.error)}`);
}

function ofToml(text: string, file: string): unknown {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what] = error.message.split('\n');
    throw new CliError(`${file}:${error.line}: ${what}`, { cause: error });
  }
}

/** What the config says of compatibility, as a deployment takes it. */
export const compatibilityOf = ({ compatibility_date, compatibility_flags = [] }: WranglerConfig) => ({
  ...(compatibility_date !== undefined && { compatibilityDate: compatibility_date }),
  ...(compatibility_flags.length > 0 && { compatibilityFlags: compatibility_flags }),
});

/** The source that a folder's Worker begins with. Throws `CliError`. */
export function mainOf(folder: string, named: string | undefined): string {
  const main = named ?? packageMain(folder) ?? MAINS.find((path) => existsSync(join(folder, path)));
  if (main === undefined)
    throw new CliError(`${folder} has none of ${MAINS.join(', ')}: name the main module with --main`);
  if (!existsSync(join(folder, main))) throw new CliError(`there is no module ${main} in ${folder}`);
  return main;
}

const packageJson = z.object({ main: z.string().optional() });

function packageMain(folder: string): string | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    return packageJson.parse(JSON.parse(readFileSync(file, 'utf8'))).main;
  } catch (error) {
    throw new CliError(`${file} is no package.json`, { cause: error });
  }
}
