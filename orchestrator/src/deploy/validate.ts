import { type DeployWorker, Failure, takenTwice } from '@clawdbot/protocol';
import { type Message, transform } from 'esbuild';
import { endingOf, type Module } from './upload.ts';

/** What is code, and so has to parse. */
const CODE = new Set(['js', 'mjs', 'cjs']);

/** Names that the site's config gave, too: the edge could not see these together. Throws `Failure`. */
export function checkNames(body: DeployWorker): void {
  const name = takenTwice(body);
  if (name === undefined) return;
  throw refused(
    `${name} is set twice among the variables (the site's config has some), secrets and bindings, or is a name that every deployment sets: choose another name`,
  );
}

/** Throws `Failure('bad_request')` for the first module that Cloudflare could not read, with the place. */
export async function checkModules(modules: readonly Module[], mainModule: string): Promise<void> {
  if (!modules.some(({ path }) => path === mainModule))
    throw refused(`the main module ${mainModule} is none of the modules: name one that is there`);
  await Promise.all(modules.map(checkModule));
}

async function checkModule({ path, bytes }: Module): Promise<void> {
  const ending = endingOf(path);
  if (ending === 'json') checkJson(path, bytes);
  if (!CODE.has(ending)) return;
  try {
    // In esbuild's own process: 10 MB of code keep no request waiting here.
    await transform(bytes, { loader: 'js', target: 'esnext', logLevel: 'silent' });
  } catch (error) {
    const [first] = messagesOf(error);
    if (first === undefined) throw error;
    const { text, location } = first;
    const place = location === null ? '' : `:${location.line}:${location.column + 1}`;
    throw refused(`the module ${path}${place} does not parse: ${text}`);
  }
}

function checkJson(path: string, bytes: Uint8Array): void {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw refused(`the module ${path} is not JSON: correct it and deploy again`);
  }
}

/** esbuild throws an error with what it found. */
const messagesOf = (error: unknown): readonly Message[] =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors) ? error.errors : [];

const refused = (message: string): Failure => new Failure('bad_request', message);
