/**
 * The one Worker configured in the runner's workerd. It runs the uploaded ones through a Worker Loader:
 * each version is an isolate of its own, loaded at its first request, so that a new version disturbs
 * nothing that runs.
 */

import { bytesOf } from './base64.ts';
import type { Exports } from './bound.ts';
import { type Env, failuresOf, load } from './load.ts';
import { probe } from './probe.ts';
import {
  INTERNAL_PREFIX,
  PROBE_HEADER,
  QUEUE_HEADER,
  SCRIPT_HEADER,
  TOKEN_HEADER,
  VERSION_HEADER,
  type WireMessage,
} from './wire.ts';

export { Dataset, Dispatch, Objects, Queue, Service } from './bindings.ts';
export { Host } from './host.ts';

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

function bodyOf({ contentType, body }: WireMessage): unknown {
  if (contentType === 'json') return JSON.parse(body);
  return contentType === 'text' ? body : bytesOf(body);
}

const delivered = (message: WireMessage): object => ({
  ...{ id: message.id, timestamp: new Date(message.at), attempts: message.attempts + 1 },
  body: bodyOf(message),
});

async function run(request: Request, env: Env, exports: Exports): Promise<Response> {
  const script = request.headers.get(SCRIPT_HEADER) ?? '';
  const version = request.headers.get(VERSION_HEADER) ?? '';
  const queue = request.headers.get(QUEUE_HEADER);
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) if (name.startsWith(INTERNAL_PREFIX)) headers.delete(name);
  const before = failuresOf(script, version);
  try {
    const entrypoint = load(env, exports, script, version).getEntrypoint();
    if (queue === null) return await entrypoint.fetch(new Request(request, { headers }));
    const messages: WireMessage[] = JSON.parse(await request.text());
    return Response.json(await entrypoint.queue(queue, messages.map(delivered)));
  } catch (error) {
    return failure(error, { before, after: failuresOf(script, version) });
  }
}

export default {
  fetch(request: Request, env: Env, { exports }: { exports: Exports }): Promise<Response> | Response {
    if (request.headers.get(TOKEN_HEADER) !== env.TOKEN) return new Response('not yours', { status: 403 });
    return request.headers.has(PROBE_HEADER)
      ? probe(request, env.LOADER, exports)
      : run(request, env, exports);
  },
};
