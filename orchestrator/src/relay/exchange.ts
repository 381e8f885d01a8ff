import type { LookupFunction } from 'node:net';
import {
  endToEnd,
  Failure,
  HEADER_BYTES_MAX,
  type HeaderList,
  RELAY_BODY_BYTES_MAX,
} from '@clawdbot/protocol';
import { Agent, type Dispatcher } from 'undici';
import { pairs } from './headers.ts';

/** An answer with its whole body. */
export interface Reply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}

export interface UpstreamRequest {
  readonly origin: string;
  /** Path and query, sent byte by byte as they are. */
  readonly path: string;
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}

/** Connections to one upstream; more requests wait for a free one, until their deadline. */
const CONNECTIONS_MAX = 256;
const CONNECT_TIMEOUT_MS = 10_000;
/** Below the 5 s after which Node closes an idle connection, so that no request meets a closing one. */
const KEEP_ALIVE_MS = 4_000;
/** As the frame that carries them. */
const HEADERS_MAX = 500;

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

/** Sends one request and gathers the answer; rejects with a `Failure` that says whether it may have been carried out. */
export function exchange(agent: Agent, request: UpstreamRequest, signal: AbortSignal): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const gathering = new Gathering(request, resolve, reject);
  const stop = (): void => gathering.stop(signal.reason);
  if (signal.aborted) stop();
  else {
    signal.addEventListener('abort', stop, { once: true });
    agent.dispatch(optionsOf(request), gathering);
  }
  return promise.finally(() => signal.removeEventListener('abort', stop));
}

const optionsOf = ({ origin, path, method, headers, body }: UpstreamRequest): Dispatcher.DispatchOptions => ({
  origin,
  path,
  method,
  headers: headers.flat(),
  body,
});

class Gathering implements Dispatcher.DispatchHandler {
  readonly #request: UpstreamRequest;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (reason: unknown) => void;
  /** There once a connection stands and the request goes out on it. */
  #controller: Dispatcher.DispatchController | undefined;
  #ended: Error | undefined;
  #status = 0;
  #headers: HeaderList = [];
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(request: UpstreamRequest, resolve: (reply: Reply) => void, reject: (reason: unknown) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Nobody waits any more: what is under way is destroyed. */
  stop(reason: unknown): void {
    this.#end(reason instanceof Failure ? withExecution(reason, this.#execution) : asError(reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It may have been given up while it waited for a connection: then it must not go out at all.
    if (this.#ended !== undefined) controller.abort(this.#ended);
    else this.#controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    this.#status = status;
    const raw = controller.rawHeaders;
    this.#headers = Array.isArray(raw) ? endToEnd(pairs(raw), () => false) : [];
    if (status > 599 || this.#headers.length > HEADERS_MAX) {
      this.#end(this.#failure(`answered with status ${status} and ${this.#headers.length} headers`));
    } else if (this.#announced() > RELAY_BODY_BYTES_MAX) this.#tooLarge();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > RELAY_BODY_BYTES_MAX) this.#tooLarge();
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const body = this.#bytes === 0 ? null : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const reason = reasonOf(error);
    if (reason === 'UND_ERR_INVALID_ARG') this.#end(unsendable(error));
    else if (this.#controller === undefined)
      this.#end(this.#failure(`could not be reached (${reason})`, error));
    else this.#end(this.#failure(`broke off before its answer was complete (${reason})`, error));
  }

  get #execution() {
    return this.#controller === undefined ? 'not_started' : 'may_have_executed';
  }

  /** The length the head promises; the answer to HEAD promises one that does not come. */
  #announced(): number {
    const length = this.#headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
    return this.#request.method === 'HEAD' ? 0 : Number(length ?? 0);
  }

  #tooLarge(): void {
    const message = `the upstream's answer is larger than ${RELAY_BODY_BYTES_MAX} bytes: fetch it in smaller parts`;
    this.#end(new Failure('response_too_large', message, { execution: 'may_have_executed' }));
  }

  #failure(what: string, cause?: Error): Failure {
    const { origin } = this.#request;
    return new Failure('upstream_failed', `the upstream ${origin} ${what}`, {
      execution: this.#execution,
      cause,
    });
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#chunks = [];
    this.#reject(error);
    this.#controller?.abort(error);
  }
}

const unsendable = (error: Error): Failure =>
  new Failure('bad_request', `the request cannot be sent on: ${error.message}`, { execution: 'not_started' });

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const withExecution = ({ code, message, details }: Failure, execution: 'not_started' | 'may_have_executed') =>
  new Failure(code, message, { execution, ...details });

function reasonOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code ?? error.message;
}
