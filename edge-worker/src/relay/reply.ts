import { type ErrorCode, Failure } from '@clawdbot/protocol';
import type { RelayReply } from '../channel/relay-rpc.ts';
import { logFault, problemResponse, REQUEST_ID_HEADER } from '../problem.ts';
import { returnable } from './headers.ts';

/** Statuses whose response has no body (Fetch standard, "null body status"); 101 never comes over the channel. */
const BODYLESS = new Set([204, 205, 304]);

/** An upstream's answer as the customer gets it. */
export function replyResponse(reply: RelayReply, method: string, requestId: string): Response {
  const bodyless = method === 'HEAD' || BODYLESS.has(reply.status);
  // Of an answer to HEAD, the length is that of the body that GET would have had (RFC 9110 §8.6).
  const headers = returnable(reply.headers, method === 'HEAD');
  headers.set(REQUEST_ID_HEADER, requestId);
  const body = bodyless ? dropped(reply.body) : untyped(reply.body, headers);
  // Otherwise workerd would encode the body, which comes encoded already, once more.
  const encoded = headers.has('content-encoding') ? { encodeBody: 'manual' as const } : {};
  return new Response(body, { status: reply.status, headers, ...encoded });
}

/** Of a text the runtime would say a type, where the upstream has said none. */
const untyped = (body: RelayReply['body'], headers: Headers): RelayReply['body'] =>
  typeof body === 'string' && !headers.has('content-type') ? encoder.encode(body) : body;
const encoder = new TextEncoder();

/** A status without a body that came with one all the same: what sends it must not wait for a reader. */
function dropped(body: RelayReply['body']): null {
  if (body instanceof ReadableStream) body.cancel().catch(() => undefined); // It has nobody to tell.
  return null;
}

/** What a customer may know. Our own sentences name orchestrators and upstreams, which are not theirs to see. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  bad_request: 'The request cannot be understood.',
  deadline_exceeded: 'The service behind this address did not answer in time.',
  method_not_allowed: 'This method is not answered at this address.',
  not_found: 'Nothing answers at this address.',
  orchestrator_lost:
    'The connection to the service was lost before it answered; it may have acted on the request.',
  overloaded: 'Too many requests at once; try again soon.',
  response_too_large: 'The answer of the service is too large to be passed on.',
  rate_limited: 'Too many requests; try again later.',
  signature_invalid: 'The signature of this request is missing, wrong or too old.',
  site_paused: 'This site is paused; try again later.',
  too_large: 'The request is too large.',
  upstream_failed: 'The service behind this address failed to answer.',
};
const UNAVAILABLE = 'The service behind this address cannot be reached right now; try again later.';
/** Of a 503 that brings no time of its own; every 503 here says when to come back. */
const RETRY_AFTER_MS = 5_000;

/** A failure as a customer gets it. */
export function failureResponse(failure: Failure, requestId: string): Response {
  logFault(failure, requestId);
  const { code, status } = failure;
  const { retryAfterMs = status === 503 ? RETRY_AFTER_MS : undefined, headers = [] } = failure.details;
  const details = retryAfterMs === undefined ? {} : { retryAfterMs };
  const response = problemResponse(new Failure(code, SENTENCES[code] ?? UNAVAILABLE, details), requestId);
  for (const [name, value] of headers) response.headers.append(name, value);
  return response;
}
