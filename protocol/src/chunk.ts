import { ProtocolError } from './codec.ts';
import { BODY_CHUNK_BYTES_MAX } from './limits.ts';

/**
 * A binary message: 8 bytes of header, then raw body bytes.
 *
 *   0      version (1)
 *   1      flags: bit 0 = last chunk of this body
 *   2–3    zero
 *   4–7    call id, unsigned, big-endian
 */
const HEADER_BYTES = 8;
const VERSION = 1;
const LAST = 0b1;

export interface Chunk {
  readonly id: number;
  readonly last: boolean;
  readonly bytes: Uint8Array;
}

/** Of a message with the largest chunk. */
export const CHUNK_MESSAGE_BYTES_MAX = HEADER_BYTES + BODY_CHUNK_BYTES_MAX;

/** A chunk whose bytes are still in the pieces in which they came. */
export interface Parts {
  readonly id: number;
  readonly last: boolean;
  readonly parts: readonly Uint8Array[];
}

/** @param buffer is written over, from its beginning, when it is given; what is returned is a view of it */
export function encodeParts(
  { id, last, parts }: Parts,
  buffer?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes > BODY_CHUNK_BYTES_MAX) throw new RangeError(`a chunk of ${bytes} bytes`);
  const length = HEADER_BYTES + bytes;
  const message = buffer?.subarray(0, length) ?? new Uint8Array(length);
  const view = new DataView(message.buffer, message.byteOffset);
  view.setUint32(0, (VERSION << 24) | ((last ? LAST : 0) << 16));
  view.setUint32(4, id);
  let at = HEADER_BYTES;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

export const encodeChunk = ({ id, last, bytes }: Chunk): Uint8Array<ArrayBuffer> =>
  encodeParts({ id, last, parts: [bytes] });

/** Throws `ProtocolError` on anything but a well-formed chunk. The bytes are a view, not a copy. */
export function decodeChunk(message: Uint8Array): Chunk {
  if (message.length < HEADER_BYTES) throw new ProtocolError('malformed', 'binary message without a header');
  if (message.length > CHUNK_MESSAGE_BYTES_MAX) throw new ProtocolError('tooLarge', 'chunk too large');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || flags > LAST || view.getUint16(2) !== 0) {
    throw new ProtocolError('malformed', 'unknown binary header');
  }
  const id = view.getUint32(4);
  if (id === 0) throw new ProtocolError('malformed', 'binary message without a call');
  return { id, last: flags === LAST, bytes: message.subarray(HEADER_BYTES) };
}

/** A body cut into chunks; an empty one is a single empty last chunk. */
export function* chunksOf(id: number, body: Uint8Array): Generator<Chunk> {
  let at = 0;
  do {
    const bytes = body.subarray(at, at + BODY_CHUNK_BYTES_MAX);
    at += BODY_CHUNK_BYTES_MAX;
    yield { id, last: at >= body.length, bytes };
  } while (at < body.length);
}
