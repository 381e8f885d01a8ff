/**
 * The one Worker configured in the runner's workerd. It runs the uploaded ones through a Worker Loader:
 * each version is an isolate of its own, loaded at its first request, so that a new version disturbs
 * nothing that runs.
 */

import { type LoadedWorker, loaderCode, type WorkerLoader } from './loader.ts';
import { probe } from './probe.ts';
import {
  codePath,
  INTERNAL_PREFIX,
  PROBE_HEADER,
  SCRIPT_HEADER,
  TOKEN_HEADER,
  VERSION_HEADER,
  type WireCode,
} from './wire.ts';

interface Env {
  LOADER: WorkerLoader;
  API_URL: string;
  TOKEN: string;
}

/**
 * Failed loads per version. workerd (1.20261102) remembers a code callback that threw and rethrows it
 * for good, so every retry needs a fresh loader id.
 */
const failedLoads = new Map<string, number>();

async function fetchCode(env: Env, script: string, version: string): Promise<WireCode> {
  const response = await fetch(env.API_URL + codePath(script, version), {
    headers: { [TOKEN_HEADER]: env.TOKEN },
  });
  if (!response.ok) throw new Error(`the stand-in answered ${response.status} for ${script} ${version}`);
  return JSON.parse(await response.text());
}

function load(env: Env, script: string, version: string): LoadedWorker {
  const id = `${script}:${version}`;
  const failures = failedLoads.get(id) ?? 0;
  return env.LOADER.get(`${id}:${failures}`, async () => {
    try {
      return loaderCode(await fetchCode(env, script, version));
    } catch (error) {
      failedLoads.set(id, failures + 1);
      throw error;
    }
  });
}

/** Whether the failure is ours (503) or the Worker's own (500, as error 1101 at Cloudflare). */
function failure(error: unknown, loads: { before: number; after: number }): Response {
  if (loads.after > loads.before) {
    return new Response('This Worker cannot be loaded right now.\n', {
      status: 503,
      headers: { 'retry-after': '1' },
    });
  }
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return new Response('error code: 1101\n', { status: 500 });
}

async function run(request: Request, env: Env): Promise<Response> {
  const script = request.headers.get(SCRIPT_HEADER) ?? '';
  const version = request.headers.get(VERSION_HEADER) ?? '';
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) if (name.startsWith(INTERNAL_PREFIX)) headers.delete(name);
  const loads = (): number => failedLoads.get(`${script}:${version}`) ?? 0;
  const before = loads();
  try {
    return await load(env, script, version).getEntrypoint().fetch(new Request(request, { headers }));
  } catch (error) {
    return failure(error, { before, after: loads() });
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> | Response {
    if (request.headers.get(TOKEN_HEADER) !== env.TOKEN) return new Response('not yours', { status: 403 });
    return request.headers.has(PROBE_HEADER) ? probe(request, env.LOADER) : run(request, env);
  },
};
