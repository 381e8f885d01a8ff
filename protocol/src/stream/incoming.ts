import { ProtocolError } from '../codec.ts';
import { STREAM_OPENING_BYTES } from '../limits.ts';
import type { Windows } from './window.ts';

export interface IncomingPorts {
  readonly windows: Windows;
  /** Tells the sender that it may send this much more. */
  readonly grant: (bytes: number) => void;
  /** Its reader has gone before its end. */
  readonly abandoned: () => void;
}

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: Error };

/** Granting each piece anew would cost a frame for each; half of the window at a time keeps its sender busy. */
const GRANT_PART = 2;

/**
 * A streamed body on its receiver's side: what has come and is not read yet, and how much more may come. Only what
 * is read is granted again, so that a reader who stalls holds one window and its sender waits.
 */
export class IncomingBody {
  readonly #ports: IncomingPorts;
  readonly #pieces: Uint8Array[] = [];
  #held = 0;
  #credit = STREAM_OPENING_BYTES;
  #state: State = { kind: 'open' };
  #wake: (() => void) | undefined;

  constructor(ports: IncomingPorts) {
    this.#ports = ports;
  }

  /** Keeps the bytes themselves, not a copy. Throws `ProtocolError` when they are more than was granted. */
  push(bytes: Uint8Array): void {
    if (this.#state.kind !== 'open') return;
    if (bytes.length > this.#credit) throw new ProtocolError('malformed', 'a body beyond its credit');
    this.#credit -= bytes.length;
    if (bytes.length === 0) return;
    this.#held += bytes.length;
    this.#pieces.push(bytes);
    this.#wake?.();
  }

  /** It is whole. */
  end(): void {
    this.#become({ kind: 'ended' });
  }

  /** It breaks off here: what has come and is not read yet is dropped. */
  fail(error: Error): void {
    if (this.#state.kind !== 'open') return;
    this.#drop();
    this.#become({ kind: 'failed', error });
  }

  /** The next piece, or undefined behind the last one. Rejects with what it failed with. One reader at a time. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#read(piece.length);
        return piece;
      }
      if (this.#state.kind === 'ended') return undefined;
      if (this.#state.kind === 'failed') throw this.#state.error;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** All of it, once it is there. Rejects as `next` does. */
  async whole(): Promise<Uint8Array> {
    const first = await this.next();
    const second = await this.next();
    if (first === undefined || second === undefined) return first ?? new Uint8Array(0);
    const pieces = [first, second];
    for (let piece = await this.next(); piece !== undefined; piece = await this.next()) pieces.push(piece);
    return joined(pieces);
  }

  /** Nobody reads it any more. */
  abandon(): void {
    this.#drop();
    if (this.#state.kind !== 'open') return;
    this.#become({ kind: 'ended' });
    this.#ports.abandoned();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let piece = await this.next(); piece !== undefined; piece = await this.next()) yield piece;
    } finally {
      this.abandon();
    }
  }

  #read(bytes: number): void {
    const { windows, grant } = this.#ports;
    const before = this.#held + this.#credit;
    this.#held -= bytes;
    const left = before - bytes;
    const missing = this.#state.kind === 'open' ? windows.size - left : 0;
    const granted = missing >= windows.size / GRANT_PART ? missing : 0;
    this.#credit += granted;
    windows.changed(before, left + granted);
    if (granted > 0) grant(granted);
  }

  #become(state: State): void {
    if (this.#state.kind !== 'open') return;
    this.#state = state;
    this.#ports.windows.changed(this.#held + this.#credit, this.#held);
    this.#credit = 0;
    this.#wake?.();
  }

  #drop(): void {
    this.#ports.windows.changed(this.#held + this.#credit, this.#credit);
    this.#pieces.length = 0;
    this.#held = 0;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
