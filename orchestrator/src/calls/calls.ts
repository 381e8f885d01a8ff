import {
  CALL_DEADLINE_MS,
  type Chunk,
  type FrameToOrchestrator,
  type ReceiptAnswer,
  type WireError,
} from '@clawdbot/protocol';
import { Asks } from './asks.ts';
import { BlobPulls, type BlobRef } from './blobs.ts';
import { type CallsOptions, IncomingCalls } from './incoming.ts';
import type { Secret, SecretRef } from './secrets.ts';
import type { Tally, TallyRef } from './tallies.ts';

/** Whoever asks for a tally does without it when it does not come. */
const TALLY_DEADLINE_MS = 2_000;

/** What belongs to calls, of all that the edge may say. */
export type CallFrame = Extract<
  FrameToOrchestrator,
  { type: 'request' | 'get_status' | 'secret' | 'tally' | 'end' | 'cancel' | 'credit' }
>;

/** What this side may ask of the edge. */
export type OutgoingCalls = Pick<Calls, 'blob' | 'secret' | 'tally' | 'answerReceipt'>;

/** The calls on one socket, both ways: the edge opens those with even ids, this side those with odd ones (C1). */
export class Calls {
  readonly #incoming: IncomingCalls;
  readonly #blobs: BlobPulls;
  readonly #secrets: Asks<Secret>;
  readonly #tallies: Asks<Tally>;
  #lastId = -1;

  constructor(options: CallsOptions) {
    this.#incoming = new IncomingCalls(options);
    const { sender, clock } = options;
    const nextId = () => {
      this.#lastId += 2;
      return this.#lastId;
    };
    this.#blobs = new BlobPulls(sender, clock, nextId);
    this.#secrets = new Asks({ sender, clock, nextId });
    this.#tallies = new Asks({ sender, clock, nextId });
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
      case 'secret':
        this.#secrets.answered(frame.id, { value: frame.value, version: frame.version });
        return;
      case 'tally':
        this.#tallies.answered(frame.id, frame);
        return;
      case 'end':
        if (isEdges(frame.id)) this.#incoming.end(frame.id);
        else this.#blobs.end(frame.id);
        return;
      case 'cancel':
        this.#incoming.cancel(frame.id, frame.reason);
        return;
      case 'credit':
        this.#incoming.credit(frame.id, frame.bytes);
        return;
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
    this.#secrets.failed(id, error);
    this.#tallies.failed(id, error);
  }

  /** The bytes of a blob, verified. Throws `Failure`, `orchestrator_lost` when the socket ends first. */
  blob(ref: BlobRef, signal: AbortSignal): Promise<Uint8Array> {
    return this.#blobs.pull(ref, signal);
  }

  /** A secret of a site that is here. Throws `Failure`, `orchestrator_lost` when the socket ends first. */
  secret(ref: SecretRef, signal: AbortSignal): Promise<Secret> {
    const asking = { ms: CALL_DEADLINE_MS, name: `the secret "${ref.name}"` };
    return this.#secrets.ask((id) => ({ type: 'get_secret', id, ...ref }), asking, signal);
  }

  /** What this lane has counted of a site's requests. Throws `Failure`, also when the edge says nothing for 2 s. */
  tally(ref: TallyRef, signal: AbortSignal): Promise<Tally> {
    const asking = { ms: TALLY_DEADLINE_MS, name: 'a tally' };
    return this.#tallies.ask((id) => ({ type: 'get_tally', id, ...ref }), asking, signal);
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
    this.#secrets.closeAll(reason);
    this.#tallies.closeAll(reason);
  }
}

const isEdges = (id: number): boolean => id % 2 === 0;
