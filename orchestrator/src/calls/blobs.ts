import {
  BLOB_PART_BYTES,
  BodyBuffer,
  CALL_DEADLINE_MS,
  type Chunk,
  Failure,
  type FrameSender,
  type FrameToEdge,
  ProtocolError,
  type ReceiptAnswer,
  sha256Of,
  type WireError,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';

/** Bytes by digest, as an entry names them. */
export interface BlobRef {
  /** The blob is this receipt's parcel. */
  readonly receiptId?: string;
  readonly sha256: string;
  readonly bytes: number;
}

interface OpenPull {
  readonly body: BodyBuffer;
  readonly settle: (result: { part: Uint8Array } | { failure: Failure }) => void;
}

/** A customer who waits is told at once, or not at all. */
const ANSWER_DEADLINE_MS = 5_000;

/** What is asked of the edge on one socket, parts of blobs for the most: calls that this side opens, with odd ids. */
export class BlobPulls {
  readonly #sender: FrameSender<FrameToEdge>;
  readonly #clock: Clock;
  readonly #nextId: () => number;
  readonly #open = new Map<number, OpenPull>();
  #closed: Failure | undefined;

  constructor(sender: FrameSender<FrameToEdge>, clock: Clock, nextId: () => number) {
    this.#sender = sender;
    this.#clock = clock;
    this.#nextId = nextId;
  }

  /** Pulls all of a blob and verifies it. Throws `Failure`; `orchestrator_lost` when the socket ended first. */
  async pull(ref: BlobRef, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = Buffer.alloc(ref.bytes);
    for (let at = 0; at < ref.bytes; at += BLOB_PART_BYTES) {
      signal.throwIfAborted();
      const part = await this.#part(ref, at / BLOB_PART_BYTES, signal);
      if (part.length !== Math.min(BLOB_PART_BYTES, ref.bytes - at)) throw wrong(ref);
      bytes.set(part, at);
    }
    if (sha256Of(bytes) !== ref.sha256) throw wrong(ref);
    return bytes;
  }

  chunk({ id, last, bytes }: Chunk): void {
    const pull = this.#open.get(id);
    if (pull === undefined) return;
    if (!pull.body.add(bytes)) throw new ProtocolError('tooLarge', `call ${id}: the part is too large`);
    if (last) this.end(id);
  }

  end(id: number): void {
    const pull = this.#open.get(id);
    if (pull !== undefined) pull.settle({ part: pull.body.bytes() });
  }

  failed(id: number, error: WireError): void {
    this.#open.get(id)?.settle({ failure: Failure.fromWire(error) });
  }

  /** The socket is gone: what is open may be asked again on the next one. */
  closeAll(reason: string): void {
    this.#closed = new Failure('orchestrator_lost', reason);
    for (const pull of [...this.#open.values()]) pull.settle({ failure: this.#closed });
  }

  /** @returns whether a customer was waiting, and has the answer; rejects when that is not known */
  async answer(answer: Omit<ReceiptAnswer, 'type' | 'id'>, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ask((id) => ({ type: 'receipt_answer', id, ...answer }), ANSWER_DEADLINE_MS, signal);
      return true;
    } catch (error) {
      if (error instanceof Failure && error.code === 'not_found') return false;
      throw error;
    }
  }

  #part({ sha256, receiptId }: BlobRef, part: number, signal: AbortSignal): Promise<Uint8Array> {
    const whose = receiptId === undefined ? {} : { receiptId };
    return this.#ask((id) => ({ type: 'blob', id, sha256, part, ...whose }), CALL_DEADLINE_MS, signal);
  }

  /** Sends a frame with an id of its own. @returns the bytes that it is answered with */
  #ask(frame: (id: number) => FrameToEdge, deadlineMs: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const id = this.#nextId();
    return new Promise((resolve, reject) => {
      const abort = () => settle({ failure: new Failure('orchestrator_lost', 'the call was given up') });
      const cancelDeadline = this.#clock.after(deadlineMs, () =>
        settle({ failure: new Failure('deadline_exceeded', 'the edge did not answer in time') }),
      );
      const settle: OpenPull['settle'] = (result) => {
        if (!this.#open.delete(id)) return;
        cancelDeadline();
        signal.removeEventListener('abort', abort);
        if ('part' in result) resolve(result.part);
        else reject(result.failure);
      };
      this.#open.set(id, { body: new BodyBuffer(BLOB_PART_BYTES), settle });
      signal.addEventListener('abort', abort, { once: true });
      this.#sender.push(frame(id));
    });
  }
}

const wrong = (ref: BlobRef): Failure =>
  new Failure(
    'blob_missing',
    `the edge’s blob ${ref.sha256} is not what its digest says: send the command again`,
  );
