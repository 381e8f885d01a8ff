import { Failure } from '@clawdbot/protocol';

/** Either direction's message, as far as its body goes. */
interface Message {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * Reads a whole body, or throws `too_large` as soon as it is known to be larger: by its declared length before
 * anything is read, by its bytes when it comes in chunks.
 * @returns null when there is no body, or an empty one
 */
export async function readBody({ headers, body }: Message, bytesMax: number): Promise<Uint8Array | null> {
  if (body === null) return null;
  if (Number(headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax);
  return wholeOf(body, bytesMax);
}

/**
 * A body as one run of bytes, read if it still streams. Throws `too_large`.
 * @param came told how long each piece is that was read; it may throw, which ends the stream
 * @returns null for none, or an empty one
 */
export async function wholeOf(
  body: Uint8Array | ReadableStream<Uint8Array> | null,
  bytesMax: number,
  came: (bytes: number) => void = () => undefined,
): Promise<Uint8Array | null> {
  if (body === null) return null;
  if (body instanceof Uint8Array) {
    if (body.length > bytesMax) throw tooLarge(bytesMax);
    return body.length === 0 ? null : body;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > bytesMax) throw tooLarge(bytesMax); // Leaving the loop cancels the stream.
    came(chunk.byteLength);
    chunks.push(chunk);
  }
  return length === 0 ? null : joined(chunks, length);
}

const tooLarge = (bytesMax: number) =>
  new Failure('too_large', `the body is larger than the ${bytesMax} bytes that are taken here`);

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
