import {
  BLOB_PART_BYTES,
  BodyBuffer,
  CALL_DEADLINE_MS,
  type Chunk,
  Failure,
  type FrameSender,
  type FrameToEdge,
  ProtocolError,
  sha256Of,
  type WireError,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';

/** Bytes by digest, as a command's body names them. */
export interface BlobRef {
  readonly sha256: string;
  readonly bytes: number;
}

interface OpenPull {
  readonly body: BodyBuffer;
  readonly settle: (result: { part: Uint8Array } | { failure: Failure }) => void;
}

/** The parts of blobs asked of the edge on one socket: calls that this side opens, with odd ids. */
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
      const part = await this.#part(ref.sha256, at / BLOB_PART_BYTES, signal);
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

  #part(sha256: string, part: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const id = this.#nextId();
    return new Promise((resolve, reject) => {
      const abort = () => settle({ failure: new Failure('orchestrator_lost', 'the pull was given up') });
      const cancelDeadline = this.#clock.after(CALL_DEADLINE_MS, () =>
        settle({ failure: new Failure('deadline_exceeded', 'the edge did not send a blob in time') }),
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
      this.#sender.push({ type: 'blob', id, sha256, part });
    });
  }
}

const wrong = (ref: BlobRef): Failure =>
  new Failure(
    'blob_missing',
    `the edge’s blob ${ref.sha256} is not what its digest says: send the command again`,
  );
