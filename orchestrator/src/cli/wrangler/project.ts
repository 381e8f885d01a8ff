import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain } from '@clawdbot/protocol';
import { type ParseError, parse as parseJsonc, printParseErrorCode } from 'jsonc-parser';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { CliError, messageOf } from '../io.ts';
import { NO_CONFIG, type WranglerConfig, wranglerConfig } from './config.ts';
import { notDeployed, without } from './members.ts';

const FILES = ['wrangler.jsonc', 'wrangler.json', 'wrangler.toml'];

/** What a folder says of its Worker. */
export interface Project {
  readonly config: WranglerConfig;
  /** Members of the config that are not deployed, though the Worker works without. */
  readonly unheard: readonly string[];
}

export const NO_PROJECT: Project = { config: NO_CONFIG, unheard: [] };

/**
 * Reads `wrangler.jsonc`, `.json` or `.toml`, but for the members to be skipped. Throws `CliError` for what cannot be
 * read, and for what is not deployed from here and would be missed.
 */
export function readProject(folder: string, skip: readonly string[]): Project {
  const name = FILES.find((file) => existsSync(join(folder, file)));
  if (name === undefined) return NO_PROJECT;
  const file = join(folder, name);
  try {
    return projectIn(file, skip);
  } catch (error) {
    // All that goes through it calls itself for each level.
    if (error instanceof RangeError) throw new CliError(`${file}: nested too deeply`, { cause: error });
    throw error;
  }
}

function projectIn(file: string, skip: readonly string[]): Project {
  const said = without(contentOf(file), skip);
  const parsed = wranglerConfig.safeParse(said);
  if (!parsed.success) throw new CliError(`${file}: ${explain(parsed.error)}${wayOn(parsed.error)}`);
  const { unheard, missing } = notDeployed(parsed.data);
  if (missing.length > 0) throw new CliError(missed(file, missing));
  return { config: parsed.data, unheard };
}

function contentOf(file: string): object {
  const text = textOf(file);
  const content = file.endsWith('.toml') ? ofToml(text, file) : ofJsonc(text, file);
  if (typeof content === 'object' && content !== null) return content;
  throw new CliError(`${file}: expected an object, as wrangler has it`);
}

function textOf(file: string): string {
  try {
    // As some editors begin a text: with a byte order mark.
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
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

/** The members at fault may be left out. */
function wayOn({ issues }: z.ZodError): string {
  const members = new Set(
    issues.flatMap(({ path: [member] }) => (typeof member === 'string' ? [member] : [])),
  );
  return members.size === 0 ? '' : `; or leave it out: ${skipping([...members])}`;
}

const missed = (file: string, members: readonly string[]): string =>
  `${file}: ${members.join(', ')} cannot be deployed from here, and the Worker may not work without: deploy it with wrangler, take that out, or go on without it: ${skipping(members)}`;

const skipping = (members: readonly string[]): string =>
  members.map((member) => `--skip ${member}`).join(' ');
