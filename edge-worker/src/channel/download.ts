import type { IncomingBody } from '@clawdbot/protocol';
import { release } from '../bytes.ts';

/**
 * An answer's body as a stream of bytes, each piece as it comes, and read no faster than its reader takes it. It is
 * a stream of the runtime's own: one of callbacks costs about twice the CPU on its way through RPC.
 *
 * @param length in bytes, when the upstream has announced it: then the customer is told it too
 */
export function downloadOf(body: IncomingBody, length: number | undefined): ReadableStream<Uint8Array> {
  const { readable, writable } =
    length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  void pump(body, writable.getWriter()); // It never rejects.
  return readable;
}

async function pump(body: IncomingBody, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  try {
    for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
      await writer.write(piece);
      release(piece); // A message of the socket, which is its own buffer.
    }
    await writer.close();
  } catch (thrown) {
    // The customer has gone, or the upstream: whoever is left is told.
    body.abandon();
    await writer.abort(thrown).catch(() => undefined);
  }
}
