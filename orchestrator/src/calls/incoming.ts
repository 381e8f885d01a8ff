import {
  bytesOfHead,
  CALLS_OPEN_MAX,
  type Chunk,
  Failure,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  IncomingBody,
  ProtocolError,
  type RequestHead,
  type StatusReport,
  WHOLE_BODY_BYTES_MAX,
  Windows,
} from '@clawdbot/protocol';
import { ZodError } from 'zod';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { type Answer, responseOf } from './answer.ts';
import { AnswerBodies } from './answer-bodies.ts';
import type { BodyStream, CallBody, Reply } from './body.ts';
import { Patience } from './patience.ts';

/** One request; `signal` is aborted when nobody waits for the answer, or for the rest of it, any more. */
export interface Call {
  readonly head: RequestHead;
  readonly body: CallBody;
  readonly signal: AbortSignal;
}

/** What the edge may ask of this orchestrator. A thrown `Failure` is the answer; anything else is a bug. */
export interface Services {
  request(call: Call): Promise<Reply>;
  report(siteId: string): Promise<StatusReport>;
}

export interface CallsOptions {
  readonly sender: FrameSender<FrameToEdge>;
  readonly services: Services;
  readonly clock: Clock;
  readonly log: Logger;
  /** No call of the edge is open any more. */
  readonly onIdle: () => void;
}

type GetStatus = Extract<FrameToOrchestrator, { type: 'get_status' }>;

interface OpenCall {
  readonly abort: AbortController;
  readonly patience: Patience;
  /** The request's body, when it is streamed. */
  readonly body: IncomingBody | undefined;
}

/** The calls that the edge has opened on one socket. Frames of an unknown id are late, and ignored. */
export class IncomingCalls {
  readonly #options: CallsOptions;
  readonly #open = new Map<number, OpenCall>();
  readonly #answers: AnswerBodies;
  readonly #windows = new Windows();
  #admitting = true;

  constructor(options: CallsOptions) {
    this.#options = options;
    const { sender, clock } = options;
    this.#answers = new AnswerBodies({
      sender,
      clock,
      onSent: (id) => this.#close(id),
      onBroken: (id, failure) => this.#break(id, failure),
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on new calls are refused; open ones go on. */
  stopAdmitting(): void {
    this.#admitting = false;
  }

  request(head: RequestHead): void {
    const body = head.body.kind === 'stream' ? this.#incoming(head.id) : undefined;
    const call = this.#admit(head.id, head.deadlineMs, body);
    if (call === undefined) return;
    if (head.body.kind !== 'stream') this.#relay(head, bytesOfHead(head.body), call);
    else if (body !== undefined) this.#relayStream(head, body, call);
  }

  /** A small body is waited for: given whole, it goes out in one write, and the connection can be used again. */
  #relayStream(head: RequestHead, body: IncomingBody, call: OpenCall): void {
    const { length } = head.body.kind === 'stream' ? head.body : {};
    if (length === undefined || length > WHOLE_BODY_BYTES_MAX) {
      this.#relay(head, this.#moving(call, body), call);
      return;
    }
    body.whole().then(
      (bytes) => this.#open.get(head.id) === call && this.#relay(head, bytes, call),
      () => undefined, // The call is over: whoever ended it has said so.
    );
  }

  getStatus({ id, siteId, deadlineMs }: GetStatus): void {
    const call = this.#admit(id, deadlineMs, undefined);
    if (call === undefined) return;
    this.#run(id, call, async () => {
      const data = await this.#options.services.report(siteId);
      return { frame: { type: 'get_status_result', id, data } };
    });
  }

  /** Body bytes of a request. Throws `ProtocolError` on more than was granted. */
  chunk({ id, last, bytes }: Chunk): void {
    const body = this.#open.get(id)?.body;
    body?.push(bytes);
    if (last) body?.end();
  }

  /** The body of a request is whole. */
  end(id: number): void {
    this.#open.get(id)?.body?.end();
  }

  /** The edge takes more of an answer's body. */
  credit(id: number, bytes: number): void {
    this.#answers.grant(id, bytes);
  }

  /** Nobody waits for this call any more: no answer is sent. */
  cancel(id: number, reason: string): void {
    this.#abandon(id, new Failure('orchestrator_lost', reason));
  }

  /** The socket is gone, and with it whoever waited. */
  cancelAll(reason: string): void {
    for (const id of [...this.#open.keys()]) this.cancel(id, reason);
    this.#answers.stop();
  }

  #incoming(id: number): IncomingBody {
    return new IncomingBody({
      windows: this.#windows,
      grant: (bytes) => this.#open.has(id) && this.#options.sender.push({ type: 'credit', id, bytes }),
      // An upstream may answer without reading all: the call goes on, and the rest waits for credit in vain.
      abandoned: () => undefined,
    });
  }

  /** The pieces of a request's body; while they move, its deadline does not pass. */
  async *#moving(call: OpenCall, body: IncomingBody): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      yield piece;
      call.patience.moved();
    }
  }

  #admit(id: number, deadlineMs: number, body: IncomingBody | undefined): OpenCall | undefined {
    if (id % 2 !== 0) throw new ProtocolError('malformed', `call ${id}: the edge opens calls with even ids`);
    if (this.#open.has(id)) throw new ProtocolError('malformed', `call ${id} is open already`);
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#send({ type: 'error', id, error: refusal.toWire() });
      return undefined;
    }
    const patience = new Patience(this.#options.clock, deadlineMs, () => this.#expire(id));
    const call: OpenCall = { abort: new AbortController(), patience, body };
    this.#open.set(id, call);
    return call;
  }

  #refusal(): Failure | undefined {
    const notStarted = { execution: 'not_started', retryAfterMs: 1_000 } as const;
    if (!this.#admitting) return new Failure('orchestrator_away', 'the orchestrator is stopping', notStarted);
    if (this.#open.size < CALLS_OPEN_MAX) return undefined;
    return new Failure('overloaded', `${CALLS_OPEN_MAX} calls are open on this socket`, notStarted);
  }

  #expire(id: number): void {
    const execution = 'may_have_executed';
    this.#break(id, new Failure('deadline_exceeded', 'the call was not answered in time', { execution }));
  }

  #relay(head: RequestHead, body: CallBody, call: OpenCall): void {
    this.#run(head.id, call, async () => {
      const reply = await this.#options.services.request({ head, body, signal: call.abort.signal });
      return responseOf(head.id, reply);
    });
  }

  /** Answers with what `work` gives, or with its failure; not at all once the call is closed. */
  #run(id: number, call: OpenCall, work: () => Promise<Answer>): void {
    work().then(
      (answer) => this.#open.get(id) === call && this.#answer(id, answer),
      (error: unknown) => this.#open.get(id) === call && this.#fail(id, this.#failureOf(id, error)),
    );
  }

  #answer(id: number, { frame, body }: Answer): void {
    if (body === undefined) this.#close(id);
    try {
      this.#send(frame);
    } catch (error) {
      if (!(error instanceof ZodError)) throw error;
      const message = 'the upstream’s answer has a status or headers that cannot be carried';
      this.#options.log.warn('an answer could not be encoded', { callId: id, error });
      const failure = new Failure('upstream_failed', message);
      this.#send({ type: 'error', id, error: failure.toWire() });
      this.#abandon(id, failure);
      return;
    }
    if (body !== undefined) this.#stream(id, body);
  }

  /** The call is open until all of its answer's body is sent. */
  #stream(id: number, body: Uint8Array | BodyStream): void {
    const call = this.#open.get(id);
    if (call !== undefined) this.#answers.send(id, body, call.patience);
  }

  #fail(id: number, failure: Failure): void {
    if (!this.#open.has(id)) return;
    this.#close(id);
    this.#send({ type: 'error', id, error: failure.toWire() });
  }

  /** Ends a call as failed, and the upstream's work with it. */
  #break(id: number, failure: Failure): void {
    const call = this.#open.get(id);
    this.#fail(id, failure);
    call?.abort.abort(failure);
  }

  /** Ends a call without a word. */
  #abandon(id: number, failure: Failure): void {
    const call = this.#open.get(id);
    this.#close(id);
    call?.abort.abort(failure);
  }

  /** The only open call's answer has nothing to be gathered with, and leaves at once. */
  #send(frame: FrameToEdge): void {
    const others = this.#open.size - ('id' in frame && this.#open.has(frame.id ?? 0) ? 1 : 0);
    if (others === 0) this.#options.sender.pushNow(frame);
    else this.#options.sender.push(frame);
  }

  #close(id: number): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    this.#open.delete(id);
    call.patience.end();
    call.body?.fail(OVER);
    this.#answers.drop(id);
    if (this.#open.size === 0) this.#options.clock.defer(() => this.#idle());
  }

  /** A turn later, so that the last answer has left. */
  #idle(): void {
    if (this.#open.size === 0) this.#options.onIdle();
  }

  #failureOf(id: number, error: unknown): Failure {
    if (error instanceof Failure) return error;
    this.#options.log.error('a call failed inside the orchestrator', { callId: id, error });
    return new Failure('internal', 'the orchestrator failed: see its log', {
      execution: 'may_have_executed',
    });
  }
}

/** Made once: it tells an upstream that its request breaks off here, and nobody where. */
const OVER = new Failure('orchestrator_lost', 'the call is over');
