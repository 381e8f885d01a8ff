import { endToEnd, Failure, type HeaderList, INLINE_BODY_BYTES_MAX } from '@clawdbot/protocol';
import type { Dispatcher } from 'undici';
import type { BodySink, BodyStream, CallBody, Reply, ReplyBody } from '../calls/index.ts';
import { pairs } from './headers.ts';

export interface UpstreamRequest {
  readonly origin: string;
  /** Path and query, sent byte by byte as they are. */
  readonly path: string;
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: CallBody;
  /** Up to the head of the answer, from the last byte of the request on; when the route is stricter than the call. */
  readonly timeoutMs?: number;
}

export interface Outcome {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (reason: unknown) => void;
  /** Once, when nothing more can come: its body included. */
  readonly over: () => void;
}

/** As the frame that carries them. */
const HEADERS_MAX = 500;

/**
 * What comes back from one upstream: gathered while it is small, handed on piece by piece when it is not, or when
 * its end is not in sight. The upstream is read no faster than the sink takes it.
 */
export class Answering implements Dispatcher.DispatchHandler, BodyStream {
  readonly #request: UpstreamRequest;
  readonly #outcome: Outcome;
  readonly #timer: NodeJS.Timeout | undefined;
  /** There once a connection stands and the request goes out on it. */
  #controller: Dispatcher.DispatchController | undefined;
  #ended: Error | 'whole' | undefined;
  #head: { readonly status: number; readonly headers: HeaderList } | undefined;
  #streaming = false;
  #sink: BodySink | undefined;
  #gathered: Buffer[] = [];
  #bytes = 0;

  constructor(request: UpstreamRequest, outcome: Outcome) {
    this.#request = request;
    this.#outcome = outcome;
    const { timeoutMs } = request;
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.stop(late(timeoutMs)), timeoutMs);
  }

  /** Nobody waits any more: what is under way is destroyed. */
  stop(reason: unknown): void {
    this.#fail(reason instanceof Failure ? withExecution(reason, this.#execution) : asError(reason));
  }

  start(sink: BodySink): void {
    this.#sink = sink;
    const taken = this.#gathered.splice(0).map((piece) => sink.write(piece));
    if (this.#ended === 'whole') sink.end();
    else if (this.#ended !== undefined) sink.fail(failureOf(this.#ended));
    else if (taken.at(-1) !== false) this.resume();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It may have been given up while it waited for a connection: then it must not go out at all.
    if (this.#ended instanceof Error) controller.abort(this.#ended);
    else this.#controller = controller;
  }

  onBodySent(): void {
    this.#timer?.refresh();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    const raw = controller.rawHeaders;
    const headers = Array.isArray(raw) ? endToEnd(pairs(raw), () => false) : [];
    if (status > 599 || headers.length > HEADERS_MAX) {
      this.#fail(this.#failure(`answered with status ${status} and ${headers.length} headers`));
      return;
    }
    this.#head = { status, headers };
    const length = this.#announced(headers);
    if (length === undefined) setImmediate(() => this.#stream());
    else if (length > INLINE_BODY_BYTES_MAX) this.#stream();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#sink !== undefined) {
      if (!this.#sink.write(chunk)) controller.pause();
      return;
    }
    this.#gathered.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > INLINE_BODY_BYTES_MAX) this.#stream();
    if (this.#streaming) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#ended !== undefined) return;
    this.#end('whole');
    if (this.#streaming) this.#sink?.end();
    else this.#resolve(this.#bytes === 0 ? null : Buffer.concat(this.#gathered));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const reason = reasonOf(error);
    if (reason === 'UND_ERR_INVALID_ARG') this.#fail(unsendable(error));
    else if (this.#controller === undefined)
      this.#fail(this.#failure(`could not be reached (${reason})`, error));
    else this.#fail(this.#failure(`broke off before its answer was complete (${reason})`, error));
  }

  /** The head goes out now, and the body behind it. */
  #stream(): void {
    if (this.#streaming || this.#ended !== undefined) return;
    this.#streaming = true;
    clearTimeout(this.#timer);
    this.#resolve(this);
  }

  #resolve(body: ReplyBody): void {
    if (this.#head !== undefined) this.#outcome.resolve({ ...this.#head, body });
  }

  get #execution() {
    return this.#controller === undefined ? 'not_started' : 'may_have_executed';
  }

  get length(): number | undefined {
    return this.#announced(this.#head?.headers ?? []);
  }

  /** The length that the head promises; none comes with an answer to HEAD, or with these statuses (RFC 9110 §6.4.1). */
  #announced(headers: HeaderList): number | undefined {
    const status = this.#head?.status;
    if (this.#request.method === 'HEAD' || status === 204 || status === 304) return 0;
    const length = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
    return length === undefined ? undefined : Number(length);
  }

  #failure(what: string, cause?: Error): Failure {
    const { origin } = this.#request;
    return new Failure('upstream_failed', `the upstream ${origin} ${what}`, {
      execution: this.#execution,
      cause,
    });
  }

  #fail(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#end(error);
    this.#gathered = [];
    if (this.#streaming) this.#sink?.fail(failureOf(error));
    else this.#outcome.reject(error);
    this.#controller?.abort(error);
  }

  #end(how: Error | 'whole'): void {
    this.#ended = how;
    clearTimeout(this.#timer);
    this.#outcome.over();
  }
}

const late = (ms: number): Failure => new Failure('deadline_exceeded', `there was no answer within ${ms} ms`);

const unsendable = (error: Error): Failure =>
  new Failure('bad_request', `the request cannot be sent on: ${error.message}`, { execution: 'not_started' });

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const failureOf = (error: Error): Failure =>
  error instanceof Failure
    ? error
    : new Failure('upstream_failed', error.message, { execution: 'may_have_executed' });

const withExecution = ({ code, message, details }: Failure, execution: 'not_started' | 'may_have_executed') =>
  new Failure(code, message, { execution, ...details });

function reasonOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code ?? error.message;
}
