import {
  type BodySource,
  bodyOfHead,
  CALLS_OPEN_MAX,
  type Chunk,
  Failure,
  type FrameToOrchestrator,
  IncomingBody,
  OutgoingBodies,
  type OutgoingPorts,
  type ResponseHead,
  STREAM_OPENING_BYTES,
  type StatusReport,
  Windows,
} from '@clawdbot/protocol';
import { downloadOf } from './download.ts';
import type { RelayReply } from './relay-rpc.ts';
import { Upload } from './upload.ts';

interface Waiting<T> {
  readonly requestId: string;
  /** Milliseconds since the epoch: nothing of an answer is expected behind it. */
  readonly dueAt: number;
  readonly resolve: (value: T) => void;
  readonly reject: (failure: Failure) => void;
}

interface Relayed extends Waiting<RelayReply> {
  readonly kind: 'relay';
  /** Once the head of its answer is there, while the body still comes. */
  answer?: IncomingBody;
  /** While its own body is on its way. */
  upload?: Upload;
}

type Call = Relayed | ({ readonly kind: 'status' } & Waiting<StatusReport>);

/** Of a body that is there whole, and small: it has no source to be told anything. */
const WHOLE: BodySource = { resume: () => undefined, done: () => undefined, overflow: () => undefined };

export interface CallsPorts extends OutgoingPorts {
  /** A frame about an open call, at once. */
  readonly push: (frame: Extract<FrameToOrchestrator, { type: 'cancel' | 'credit' }>) => void;
}

/**
 * The calls open on one socket: at most once each, answered by id. They live in memory only: a call's caller
 * waits on this very object, and its loss is the call's failure. A call is open until its answer is whole.
 */
export class Calls {
  readonly #ports: CallsPorts;
  readonly #open = new Map<number, Call>();
  readonly #uploads: OutgoingBodies;
  readonly #windows = new Windows();
  #lastId = 0;

  constructor(ports: CallsPorts) {
    this.#ports = ports;
    this.#uploads = new OutgoingBodies(ports);
  }

  get size(): number {
    return this.#open.size;
  }

  relay(requestId: string, dueAt: number): { id: number; reply: Promise<RelayReply> } {
    const { promise: reply, resolve, reject } = Promise.withResolvers<RelayReply>();
    return { id: this.#add({ kind: 'relay', requestId, dueAt, resolve, reject }), reply };
  }

  status(requestId: string, dueAt: number): { id: number; reply: Promise<StatusReport> } {
    const { promise: reply, resolve, reject } = Promise.withResolvers<StatusReport>();
    return { id: this.#add({ kind: 'status', requestId, dueAt, resolve, reject }), reply };
  }

  /** Sends a request's body behind its head, as credit allows. */
  upload(id: number, body: Uint8Array | ReadableStream<Uint8Array>): void {
    const call = this.#open.get(id);
    if (body instanceof Uint8Array && body.length <= STREAM_OPENING_BYTES) {
      if (call !== undefined) this.#uploadWhole(id, body);
      return;
    }
    // The cast: of a response that is given bytes, the body is a stream of them.
    const stream =
      body instanceof ReadableStream ? body : (new Response(body).body as ReadableStream<Uint8Array>);
    if (call?.kind !== 'relay') {
      stream.cancel().catch(() => undefined); // It could not be opened: nobody is left to be told.
      return;
    }
    call.upload = new Upload(stream, {
      open: (source) => this.#uploads.open(id, source),
      failed: (failure) => {
        this.fail(id, failure);
        this.#cancel(id, failure.message);
      },
    });
    void call.upload.run(); // It never rejects.
  }

  #uploadWhole(id: number, body: Uint8Array): void {
    const out = this.#uploads.open(id, WHOLE);
    out.write(body);
    out.end();
  }

  /** The orchestrator takes more of a request's body. */
  onCredit(id: number, bytes: number): void {
    this.#uploads.grant(id, bytes);
  }

  /** The head of an answer. One for an id that is not open is late, and ignored (PROTOCOL C3). */
  onResponse(head: ResponseHead): void {
    const call = this.#open.get(head.id);
    if (call?.kind !== 'relay' || call.answer !== undefined) return;
    const { id, status, headers } = head;
    if (head.body.kind !== 'stream') {
      this.#close(id, call);
      call.resolve({ status, headers, body: bodyOfHead(head.body) });
      return;
    }
    call.answer = this.#incoming(id);
    call.resolve({ status, headers, body: downloadOf(call.answer, head.body.length) });
  }

  /** Throws `ProtocolError` on more than was granted. */
  onChunk({ id, last, bytes }: Chunk): void {
    const call = this.#open.get(id);
    if (call?.kind !== 'relay' || call.answer === undefined) return;
    call.answer.push(bytes);
    if (last) this.onEnd(id);
  }

  onEnd(id: number): void {
    const call = this.#open.get(id);
    if (call?.kind !== 'relay' || call.answer === undefined) return;
    this.#close(id, call);
    call.answer.end();
  }

  onStatus(id: number, report: StatusReport): void {
    const call = this.#open.get(id);
    if (call?.kind !== 'status') return;
    this.#close(id, call);
    call.resolve(report);
  }

  /** Ends a call as failed: before the head of its answer as its answer, behind it by breaking the body off. */
  fail(id: number, failure: Failure): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    this.#close(id, call);
    if (call.kind === 'relay' && call.answer !== undefined) call.answer.fail(failure);
    else call.reject(failure);
  }

  /** Nobody waits for this request any more: it is cancelled on the wire too. */
  forget(requestId: string): void {
    for (const [id, call] of this.#open) {
      if (call.requestId !== requestId) continue;
      this.fail(id, new Failure('deadline_exceeded', 'its caller no longer waits'));
      this.#cancel(id, 'its caller no longer waits');
    }
  }

  /** Ends the calls that were not answered in time: the last resort, since the orchestrator keeps each deadline itself. */
  expire(now: number): void {
    for (const [id, call] of this.#open) {
      if (now < call.dueAt || (call.kind === 'relay' && call.answer !== undefined)) continue;
      this.fail(id, late());
      this.#cancel(id, 'it was not answered in time');
    }
  }

  /** The socket is gone: what was sent may have been executed. */
  failAll(reason: string): void {
    for (const id of [...this.#open.keys()]) {
      const message = `the connection to the orchestrator was lost: ${reason}`;
      this.fail(id, new Failure('orchestrator_lost', message, { execution: 'may_have_executed' }));
    }
    this.#uploads.dropAll();
  }

  #incoming(id: number): IncomingBody {
    return new IncomingBody({
      windows: this.#windows,
      grant: (bytes) => this.#open.has(id) && this.#ports.push({ type: 'credit', id, bytes }),
      abandoned: () => {
        const call = this.#open.get(id);
        if (call === undefined) return;
        this.#close(id, call);
        this.#cancel(id, 'the customer has gone');
      },
    });
  }

  #cancel(id: number, reason: string): void {
    this.#ports.push({ type: 'cancel', id, reason: reason.slice(0, 500) });
  }

  /** What is left of its own body is of no use any more either. */
  #close(id: number, call: Call): void {
    this.#open.delete(id);
    if (call.kind !== 'relay') return;
    call.upload?.stop();
    this.#uploads.drop(id);
  }

  #add(call: Call): number {
    if (this.#open.size >= CALLS_OPEN_MAX) {
      throw new Failure('overloaded', `${CALLS_OPEN_MAX} calls are open on this orchestrator: try again`, {
        retryAfterMs: 1_000,
        execution: 'not_started',
      });
    }
    // Skips those still open: a stream may outlive four billion requests.
    do this.#lastId = (this.#lastId + 2) % 0xffff_fffe || 2;
    while (this.#open.has(this.#lastId));
    this.#open.set(this.#lastId, call);
    return this.#lastId;
  }
}

const late = () =>
  new Failure('deadline_exceeded', 'no answer in time; it may have been done: look before you repeat it', {
    execution: 'may_have_executed',
  });
