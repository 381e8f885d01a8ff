/** Gets the versions of Workers from the API's process, and keeps each as an isolate of its own. */
import { boundOf, type Exports } from './bound.ts';
import { type LoadedWorker, loaderCode, type WorkerLoader } from './loader.ts';
import { PATHS, TOKEN_HEADER, type WireCode } from './wire.ts';

export interface Env {
  LOADER: WorkerLoader;
  HOST: { getByName(name: string): unknown };
  API_URL: string;
  TOKEN: string;
}

/** Asks the API's process; undefined when what is asked for is not there. */
export async function ask(env: Env, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(env.API_URL + path, {
    headers: { [TOKEN_HEADER]: env.TOKEN },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`the stand-in answered ${response.status} for ${path}`);
  return JSON.parse(await response.text());
}

/**
 * Failed loads per version. workerd (1.20261102) remembers a code callback that threw and rethrows it
 * for good, so every retry needs a fresh loader id.
 */
const failedLoads = new Map<string, number>();
const idOf = (script: string, version: string): string => `${script}:${version}`;

export const failuresOf = (script: string, version: string): number =>
  failedLoads.get(idOf(script, version)) ?? 0;

async function codeOf(env: Env, exports: Exports, script: string, version: string) {
  const code = await ask(env, PATHS.code(script, version));
  if (code === undefined) throw new Error(`the stand-in has no ${script} ${version}`);
  const wired = code as WireCode;
  return loaderCode(wired, boundOf(wired, exports));
}

/** This version of a Worker; a new one disturbs nothing that runs. */
export function load(env: Env, exports: Exports, script: string, version: string): LoadedWorker {
  const failures = failuresOf(script, version);
  const id = idOf(script, version);
  return env.LOADER.get(`${id}:${failures}`, async () => {
    try {
      return await codeOf(env, exports, script, version);
    } catch (error) {
      failedLoads.set(id, failures + 1);
      throw error;
    }
  });
}
