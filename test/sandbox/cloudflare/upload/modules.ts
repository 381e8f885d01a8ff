import { posix } from 'node:path';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import type { WireModule } from '../runner/wire.ts';
import { MAX_MODULES_BYTES, type Part, tooLarge } from './multipart.ts';

/** A module as it was uploaded. */
export interface Module {
  name: string;
  contentType: string;
  bytes: Buffer;
}

const parseJsonModule = (name: string, text: string): WireModule => {
  try {
    return { json: JSON.parse(text) };
  } catch {
    throw invalid(`Uncaught SyntaxError: the JSON module "${name}" is not JSON.`);
  }
};

type ToWire = (bytes: Buffer, name: string) => WireModule;
const esm: ToWire = (bytes) => ({ js: bytes.toString() });
const commonJs: ToWire = (bytes) => ({ cjs: bytes.toString() });

/**
 * The content types that Cloudflare's OpenAPI schema lists for `files`, less Python's, plus JSON. A source
 * map is kept beside the code and never loaded: null.
 */
const KINDS: Record<string, ToWire | null> = {
  'application/javascript+module': esm,
  'text/javascript+module': esm,
  'application/javascript': commonJs,
  'text/javascript': commonJs,
  'text/plain': (bytes) => ({ text: bytes.toString() }),
  'application/json': (bytes, name) => parseJsonModule(name, bytes.toString()),
  'application/octet-stream': (bytes) => ({ base64: bytes.toString('base64'), as: 'data' }),
  'application/wasm': (bytes) => ({ base64: bytes.toString('base64'), as: 'wasm' }),
  'application/source-map': null,
};

function moduleOf({ name, filename, contentType, bytes }: Part): Module {
  if (filename !== undefined && filename !== name) {
    throw invalid(`The part "${name}" has another filename, "${filename}": a module's name is its path.`);
  }
  if (posix.isAbsolute(name) || posix.normalize(name).startsWith('..')) {
    throw invalid(`The module name "${name}" leaves the Worker's root.`);
  }
  if (!(contentType in KINDS)) {
    throw invalid(`The module "${name}" has the unsupported content type "${contentType}".`);
  }
  return { name, contentType, bytes };
}

/** The form's parts but its metadata, checked. */
export function modulesOf(parts: readonly Part[], mainModule: string): Module[] {
  const modules = parts.map(moduleOf);
  if (!modules.some(({ name }) => name === mainModule)) {
    throw new ApiError(
      400,
      CODES.validation,
      `No such module "${mainModule}": main_module names none of the parts.`,
    );
  }
  if (modules.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) > MAX_MODULES_BYTES) throw tooLarge();
  return modules;
}

/** The modules as the runner's Worker Loader takes them. */
export function wireModules(modules: readonly Module[]): Record<string, WireModule> {
  const wired = modules.flatMap(({ name, contentType, bytes }): [string, WireModule][] => {
    const toWire = KINDS[contentType];
    return toWire ? [[name, toWire(bytes, name)]] : [];
  });
  return Object.fromEntries(wired);
}
