import { BodyBuffer, Failure } from '@clawdbot/protocol';
import type { Hono } from 'hono';
import type { CallBody } from '../calls/index.ts';
import type { SelfCall } from '../relay/index.ts';
import type { AppEnv } from './auth.ts';

/** Of a request to this orchestrator itself, and of its answer: both are read whole. */
const BODY_BYTES_MAX = 1024 * 1024;
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
  return async ({ head, body: sent, signal }) => {
    const body = await whole(sent);
    const headers = new Headers();
    for (const [name, value] of head.headers) headers.append(name, value);
    const { method, requestId } = head;
    const carries = method !== 'GET' && method !== 'HEAD' && body !== null;
    const init = { method, headers, signal, ...(carries ? { body } : {}) };
    const edge = { requestId, actor: actorIn(headers) };
    const answered = Promise.resolve(app.fetch(new Request(ORIGIN + head.url, init), { edge }));
    const response = await Promise.race([answered, abandoned(signal)]);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > BODY_BYTES_MAX) {
      throw new Failure('response_too_large', `the answer has more than ${BODY_BYTES_MAX} bytes`);
    }
    return {
      status: response.status,
      headers: [...response.headers],
      body: bytes.length === 0 ? null : bytes,
    };
  };
}

async function whole(body: CallBody): Promise<Uint8Array<ArrayBuffer> | null> {
  if (body === null) return null;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  const buffer = new BodyBuffer(BODY_BYTES_MAX);
  for await (const piece of body) {
    if (!buffer.add(piece)) {
      const message = `a request to the orchestrator itself may have ${BODY_BYTES_MAX} bytes`;
      throw new Failure('too_large', message, { execution: 'not_started' });
    }
  }
  return buffer.bytes();
}

/** Rejects when nobody waits any more; the work itself goes on to its end. */
function abandoned(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}
