import type { Chunk, FrameToOrchestrator, ReceiptAnswer, WireError } from '@clawdbot/protocol';
import { BlobPulls, type BlobRef } from './blobs.ts';
import { type CallsOptions, IncomingCalls } from './incoming.ts';

/** What belongs to calls, of all that the edge may say. */
export type CallFrame = Extract<
  FrameToOrchestrator,
  { type: 'request' | 'get_status' | 'end' | 'cancel' | 'credit' }
>;

/** The calls on one socket, both ways: the edge opens those with even ids, this side those with odd ones (C1). */
export class Calls {
  readonly #incoming: IncomingCalls;
  readonly #blobs: BlobPulls;

  constructor(options: CallsOptions) {
    this.#incoming = new IncomingCalls(options);
    this.#blobs = new BlobPulls(options.sender, options.clock);
  }

  /** Calls of the edge that are open. */
  get open(): number {
    return this.#incoming.size;
  }

  on(frame: CallFrame): void {
    switch (frame.type) {
      case 'request':
        this.#incoming.request(frame);
        return;
      case 'get_status':
        this.#incoming.getStatus(frame);
        return;
      case 'end':
        if (isEdges(frame.id)) this.#incoming.end(frame.id);
        else this.#blobs.end(frame.id);
        return;
      case 'cancel':
        this.#incoming.cancel(frame.id, frame.reason);
        return;
      case 'credit':
        return; // Bodies are sent whole: nothing waits for credit.
      default:
        frame satisfies never;
    }
  }

  chunk(chunk: Chunk): void {
    if (isEdges(chunk.id)) this.#incoming.chunk(chunk);
    else this.#blobs.chunk(chunk);
  }

  /** The edge cannot answer a call of this side. */
  failed(id: number, error: WireError): void {
    this.#blobs.failed(id, error);
  }

  /** The bytes of a blob, verified. Throws `Failure`, `orchestrator_lost` when the socket ends first. */
  blob(ref: BlobRef, signal: AbortSignal): Promise<Uint8Array> {
    return this.#blobs.pull(ref, signal);
  }

  /** Tells a customer of a stored request, if one waits. @returns whether one did; rejects when that is not known */
  answerReceipt(answer: Omit<ReceiptAnswer, 'type' | 'id'>, signal: AbortSignal): Promise<boolean> {
    return this.#blobs.answer(answer, signal);
  }

  /** From now on new calls are refused; open ones go on. */
  stopAdmitting(): void {
    this.#incoming.stopAdmitting();
  }

  /** The socket is gone. */
  closeAll(reason: string): void {
    this.#incoming.cancelAll(reason);
    this.#blobs.closeAll(reason);
  }
}

const isEdges = (id: number): boolean => id % 2 === 0;
