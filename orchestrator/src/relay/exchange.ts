import type { LookupFunction } from 'node:net';
import { HEADER_BYTES_MAX } from '@clawdbot/protocol';
import { Agent, type Dispatcher } from 'undici';
import type { Reply } from '../calls/index.ts';
import { Answering, type UpstreamRequest } from './answering.ts';

/** Connections to one upstream; more requests wait for a free one, until their deadline. */
const CONNECTIONS_MAX = 256;
const CONNECT_TIMEOUT_MS = 10_000;
/** Below the 5 s after which Node closes an idle connection, so that no request meets a closing one. */
const KEEP_ALIVE_MS = 4_000;

/**
 * Keep-alive connections per upstream. The deadline of a call is the caller's, so undici has none of its own.
 * @param lookup resolves the upstreams' names; Node's own when there is none
 */
export const createAgent = (lookup?: LookupFunction): Agent =>
  new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(lookup === undefined ? {} : { lookup }) },
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: HEADER_BYTES_MAX,
    // Header names, their order and their repetition are the customer's business: HTTP/2 changes them.
    allowH2: false,
  });

/**
 * Sends one request, and resolves with the answer: whole when it is small, otherwise with a body that still comes.
 * Rejects with a `Failure` that says whether it may have been carried out. An abort ends the body too.
 */
export function exchange(agent: Agent, request: UpstreamRequest, signal: AbortSignal): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const stop = (): void => answering.stop(signal.reason);
  const over = () => signal.removeEventListener('abort', stop);
  const answering = new Answering(request, { resolve, reject, over });
  if (signal.aborted) stop();
  else {
    signal.addEventListener('abort', stop, { once: true });
    agent.dispatch(optionsOf(request), answering);
  }
  return promise;
}

const optionsOf = ({ origin, path, method, headers, body }: UpstreamRequest): Dispatcher.DispatchOptions => ({
  origin,
  path,
  method,
  headers: headers.flat(),
  // The cast: undici takes any iterable of bytes, its types name only streams (client-h1.js, writeIterable).
  body: body as Uint8Array | null,
});
