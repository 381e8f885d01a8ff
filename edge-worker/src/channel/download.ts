import type { Failure, IncomingBody } from '@clawdbot/protocol';

/**
 * An answer's body as a stream of bytes, each piece as it comes. Nothing is read ahead of its reader
 * (`highWaterMark: 0`), so that only what the customer takes is granted again.
 */
export function downloadOf(body: IncomingBody): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      type: 'bytes',
      async pull(controller) {
        try {
          const piece = await body.next();
          if (piece !== undefined) {
            controller.enqueue(piece);
            return;
          }
          controller.close();
          controller.byobRequest?.respond(0); // A read into the reader's own buffer waits for this one.
        } catch (failure) {
          controller.error(errorOf(failure as Failure));
        }
      },
      cancel: () => body.abandon(),
    },
    { highWaterMark: 0 },
  );
}

/** Only a bare `Error` crosses RPC; the customer sees no more than that the connection breaks off. */
const errorOf = ({ message }: Failure): Error => new Error(message);
