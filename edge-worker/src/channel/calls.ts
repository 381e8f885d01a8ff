import {
  BodyBuffer,
  bytesOfHead,
  CALLS_OPEN_MAX,
  type Chunk,
  Failure,
  RELAY_BODY_BYTES_MAX,
  type ResponseHead,
  type StatusReport,
} from '@clawdbot/protocol';
import type { RelayReply } from './rpc.ts';

interface Waiting<T> {
  readonly requestId: string;
  readonly resolve: (value: T) => void;
  readonly reject: (failure: Failure) => void;
}

type Call =
  | ({ readonly kind: 'relay'; answer?: { head: ResponseHead; body: BodyBuffer } } & Waiting<RelayReply>)
  | ({ readonly kind: 'status' } & Waiting<StatusReport>);

/**
 * The calls open on one socket: at most once each, answered by id. They live in memory only: a call's caller
 * waits on this very object, and its loss is the call's failure.
 */
export class Calls {
  readonly #open = new Map<number, Call>();
  #lastId = 0;

  get size(): number {
    return this.#open.size;
  }

  relay(requestId: string): { id: number; reply: Promise<RelayReply> } {
    const { promise: reply, resolve, reject } = Promise.withResolvers<RelayReply>();
    return { id: this.#add({ kind: 'relay', requestId, resolve, reject }), reply };
  }

  status(requestId: string): { id: number; reply: Promise<StatusReport> } {
    const { promise: reply, resolve, reject } = Promise.withResolvers<StatusReport>();
    return { id: this.#add({ kind: 'status', requestId, resolve, reject }), reply };
  }

  /** The head of an answer. One for an id that is not open is late, and ignored (PROTOCOL C3). */
  onResponse(head: ResponseHead): void {
    const call = this.#open.get(head.id);
    if (call?.kind !== 'relay') return;
    if (head.body.kind === 'stream') {
      call.answer = { head, body: new BodyBuffer(RELAY_BODY_BYTES_MAX) };
      return;
    }
    this.#open.delete(head.id);
    call.resolve({ status: head.status, headers: head.headers, body: bytesOfHead(head.body) });
  }

  /** @returns the id of a call that must be cancelled, because its body is too large to hand on */
  onChunk({ id, last, bytes }: Chunk): number | undefined {
    const call = this.#open.get(id);
    if (call?.kind !== 'relay' || call.answer === undefined) return undefined;
    if (!call.answer.body.add(bytes)) {
      this.fail(
        id,
        new Failure('response_too_large', `the upstream answered more than ${RELAY_BODY_BYTES_MAX} bytes`),
      );
      return id;
    }
    if (last) this.onEnd(id);
    return undefined;
  }

  onEnd(id: number): void {
    const call = this.#open.get(id);
    if (call?.kind !== 'relay' || call.answer === undefined) return;
    this.#open.delete(id);
    const { head, body } = call.answer;
    call.resolve({ status: head.status, headers: head.headers, body: body.bytes() });
  }

  onStatus(id: number, report: StatusReport): void {
    const call = this.#open.get(id);
    if (call?.kind !== 'status') return;
    this.#open.delete(id);
    call.resolve(report);
  }

  fail(id: number, failure: Failure): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    this.#open.delete(id);
    call.reject(failure);
  }

  /** Nobody waits for this request any more. @returns the ids to cancel on the wire */
  forget(requestId: string): number[] {
    const ids = [...this.#open].filter(([, call]) => call.requestId === requestId).map(([id]) => id);
    for (const id of ids) this.fail(id, new Failure('deadline_exceeded', 'its caller no longer waits'));
    return ids;
  }

  /** The socket is gone: what was sent may have been executed. */
  failAll(reason: string): void {
    for (const id of [...this.#open.keys()]) {
      const message = `the connection to the orchestrator was lost: ${reason}`;
      this.fail(id, new Failure('orchestrator_lost', message, { execution: 'may_have_executed' }));
    }
  }

  #add(call: Call): number {
    if (this.#open.size >= CALLS_OPEN_MAX) {
      throw new Failure('overloaded', `${CALLS_OPEN_MAX} calls are open on this orchestrator: try again`, {
        retryAfterMs: 1_000,
        execution: 'not_started',
      });
    }
    this.#lastId = (this.#lastId + 2) % 0xffff_fffe || 2;
    this.#open.set(this.#lastId, call);
    return this.#lastId;
  }
}
