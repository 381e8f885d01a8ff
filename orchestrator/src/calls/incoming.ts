import {
  BodyBuffer,
  bytesOfHead,
  CALLS_OPEN_MAX,
  type Chunk,
  Failure,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  headOfBody,
  ProtocolError,
  RELAY_BODY_BYTES_MAX,
  type RequestHead,
  type StatusReport,
} from '@clawdbot/protocol';
import { ZodError } from 'zod';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

/** One request with its whole body; `signal` is aborted when nobody waits for the answer any more. */
export interface Call {
  readonly head: RequestHead;
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
}

export interface Reply {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  readonly body: Uint8Array | null;
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
  readonly cancelDeadline: () => void;
  /** While its body still comes in. */
  collecting: { readonly head: RequestHead; readonly body: BodyBuffer } | undefined;
}

/** The calls that the edge has opened on one socket. Frames of an unknown id are late, and ignored. */
export class IncomingCalls {
  readonly #options: CallsOptions;
  readonly #open = new Map<number, OpenCall>();
  #admitting = true;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on new calls are refused; open ones go on. */
  stopAdmitting(): void {
    this.#admitting = false;
  }

  request(head: RequestHead): void {
    const call = this.#admit(head.id, head.deadlineMs);
    if (call === undefined) return;
    if (head.body.kind !== 'stream') this.#relay(head, bytesOfHead(head.body), call);
    else call.collecting = { head, body: new BodyBuffer(RELAY_BODY_BYTES_MAX) };
  }

  getStatus({ id, siteId, deadlineMs }: GetStatus): void {
    const call = this.#admit(id, deadlineMs);
    if (call === undefined) return;
    this.#run(id, call, async () => {
      const data = await this.#options.services.report(siteId);
      return { frame: { type: 'get_status_result', id, data } };
    });
  }

  /** Body bytes of a request. */
  chunk({ id, last, bytes }: Chunk): void {
    const collecting = this.#open.get(id)?.collecting;
    if (collecting === undefined) return;
    if (!collecting.body.add(bytes)) {
      const message = `a request body may have ${RELAY_BODY_BYTES_MAX} bytes`;
      this.#fail(id, new Failure('too_large', message, { execution: 'not_started' }));
    }
    if (last) this.end(id);
  }

  /** The body of a request is whole. */
  end(id: number): void {
    const call = this.#open.get(id);
    if (call?.collecting === undefined) return;
    const { head, body } = call.collecting;
    call.collecting = undefined;
    this.#relay(head, body.bytes(), call);
  }

  /** Nobody waits for this call any more: no answer is sent. */
  cancel(id: number, reason: string): void {
    const call = this.#open.get(id);
    this.#close(id);
    call?.abort.abort(new Failure('orchestrator_lost', reason));
  }

  /** The socket is gone, and with it whoever waited. */
  cancelAll(reason: string): void {
    for (const id of [...this.#open.keys()]) this.cancel(id, reason);
  }

  #admit(id: number, deadlineMs: number): OpenCall | undefined {
    if (id % 2 !== 0) throw new ProtocolError('malformed', `call ${id}: the edge opens calls with even ids`);
    if (this.#open.has(id)) throw new ProtocolError('malformed', `call ${id} is open already`);
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#send({ type: 'error', id, error: refusal.toWire() });
      return undefined;
    }
    const call: OpenCall = {
      abort: new AbortController(),
      cancelDeadline: this.#options.clock.after(deadlineMs, () => this.#expire(id)),
      collecting: undefined,
    };
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
    const call = this.#open.get(id);
    if (call === undefined) return;
    const execution = call.collecting === undefined ? 'may_have_executed' : 'not_started';
    const failure = new Failure('deadline_exceeded', 'the call was not answered in time', { execution });
    this.#fail(id, failure);
    call.abort.abort(failure);
  }

  #relay(head: RequestHead, body: Uint8Array | null, call: OpenCall): void {
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
    this.#close(id);
    try {
      this.#send(frame);
    } catch (error) {
      if (!(error instanceof ZodError)) throw error;
      const message = 'the upstream’s answer has a status or headers that cannot be carried';
      this.#options.log.warn('an answer could not be encoded', { callId: id, error });
      this.#send({ type: 'error', id, error: new Failure('upstream_failed', message).toWire() });
    }
    if (body !== undefined) this.#options.sender.pushBody(id, body);
  }

  #fail(id: number, failure: Failure): void {
    this.#close(id);
    this.#send({ type: 'error', id, error: failure.toWire() });
  }

  /** The only open call's answer has nothing to be gathered with, and leaves at once. */
  #send(frame: FrameToEdge): void {
    if (this.#open.size === 0) this.#options.sender.pushNow(frame);
    else this.#options.sender.push(frame);
  }

  #close(id: number): void {
    this.#open.get(id)?.cancelDeadline();
    if (this.#open.delete(id) && this.#open.size === 0) this.#options.clock.defer(() => this.#idle());
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

interface Answer {
  readonly frame: FrameToEdge;
  /** Follows the frame as binary messages. */
  readonly body?: Uint8Array;
}

function responseOf(id: number, { status, headers, body }: Reply): Answer {
  if (body !== null && body.length > RELAY_BODY_BYTES_MAX) {
    throw new Failure(
      'response_too_large',
      `the upstream’s answer has more than ${RELAY_BODY_BYTES_MAX} bytes`,
      {
        execution: 'may_have_executed',
      },
    );
  }
  const head = headOfBody(body);
  const frame = { type: 'response' as const, id, status, headers, body: head };
  return head.kind === 'stream' && body !== null ? { frame, body } : { frame };
}
