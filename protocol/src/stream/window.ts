import { STREAM_OPENING_BYTES, STREAM_WINDOW_BYTES, STREAMS_HELD_BYTES_MAX } from '../limits.ts';

/** A new grant takes at most this part of what is free, so that nobody gets the last of it. */
const SHARE = 32;

/**
 * The windows of all streams that one side receives on a socket. What their peers may still send, or have sent and
 * nobody has read, stays below a limit, however many of their readers stall: the less is free, the smaller a new
 * window.
 */
export class Windows {
  #taken = 0;

  /** How much a stream may have outstanding from here on. */
  get size(): number {
    const share = Math.floor((STREAMS_HELD_BYTES_MAX - this.#taken) / SHARE);
    return Math.min(STREAM_WINDOW_BYTES, STREAM_OPENING_BYTES + Math.max(0, share));
  }

  /** A stream's outstanding bytes have changed. What every stream begins with is not counted. */
  changed(before: number, after: number): void {
    this.#taken += beyondOpening(after) - beyondOpening(before);
  }
}

const beyondOpening = (bytes: number): number => Math.max(0, bytes - STREAM_OPENING_BYTES);
