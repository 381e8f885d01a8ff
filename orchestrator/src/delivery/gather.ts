import { BodyBuffer } from '@clawdbot/protocol';
import type { ReplyBody } from '../calls/index.ts';

/**
 * An answer's body, read to its end: only then it is known to be whole. Of one larger than `bytesMax` nothing is
 * kept but a length that says so: one byte more than that. Rejects with the reason when it breaks off.
 */
export function gather(body: ReplyBody, bytesMax: number): Promise<Uint8Array | null> {
  if (body === null || body instanceof Uint8Array) return Promise.resolve(body);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const kept = new BodyBuffer(bytesMax);
  let tooLarge = false;
  body.start({
    write: (bytes) => {
      tooLarge ||= !kept.add(bytes);
      return true;
    },
    end: () => resolve(tooLarge ? new Uint8Array(bytesMax + 1) : kept.bytes()),
    fail: reject,
  });
  return promise;
}
