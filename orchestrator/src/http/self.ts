import { Failure, RELAY_BODY_BYTES_MAX } from '@clawdbot/protocol';
import type { Hono } from 'hono';
import type { SelfCall } from '../relay/index.ts';
import type { AppEnv } from './auth.ts';

/** Only a name: nothing is dialled. */
const ORIGIN = 'http://orchestrator';
/** The edge writes the actor's name as URI text, since a header holds no other letters. */
const ACTOR_HEADER = 'x-actor';

function actorIn(headers: Headers): string {
  const text = headers.get(ACTOR_HEADER) ?? 'unknown';
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}

/** Answers what the edge asks of the orchestrator itself, in this process. */
export function createSelf(app: Hono<AppEnv>): SelfCall {
  return async ({ head, body, signal }) => {
    const headers = new Headers();
    for (const [name, value] of head.headers) headers.append(name, value);
    const { method, requestId } = head;
    const carries = method !== 'GET' && method !== 'HEAD' && body !== null;
    const init = { method, headers, signal, ...(carries ? { body: new Uint8Array(body) } : {}) };
    const edge = { requestId, actor: actorIn(headers) };
    const answered = Promise.resolve(app.fetch(new Request(ORIGIN + head.url, init), { edge }));
    const response = await Promise.race([answered, abandoned(signal)]);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > RELAY_BODY_BYTES_MAX) {
      throw new Failure('response_too_large', `the answer has more than ${RELAY_BODY_BYTES_MAX} bytes`);
    }
    return {
      status: response.status,
      headers: [...response.headers],
      body: bytes.length === 0 ? null : bytes,
    };
  };
}

/** Rejects when nobody waits any more; the work itself goes on to its end. */
function abandoned(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}
