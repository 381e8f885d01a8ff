import { BodyBuffer } from '@clawdbot/protocol';
import type { ReplyBody } from '../calls/index.ts';
import type { Clock } from '../clock.ts';

export interface GatherOptions {
  readonly bytesMax: number;
  /** Behind the head; a body that takes longer is given up. */
  readonly ms: number;
  readonly clock: Clock;
  /** Ends the upstream's answer: nothing more of it is of use. */
  readonly giveUp: () => void;
}

/**
 * An answer's body, if it comes whole, soon, and is no larger than `bytesMax`. Its head has said by then what became of
 * the request: a body that breaks off, or never ends, must not have it sent again. Such a one is returned as one byte
 * more than `bytesMax`: too large to be handed on.
 */
export function gather(body: ReplyBody, options: GatherOptions): Promise<Uint8Array | null> {
  if (body === null || body instanceof Uint8Array) return Promise.resolve(body);
  const { bytesMax, ms, clock, giveUp } = options;
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const kept = new BodyBuffer(bytesMax);
  const end = (bytes: Uint8Array) => {
    cancel();
    resolve(bytes);
  };
  const leave = () => {
    end(new Uint8Array(bytesMax + 1));
    giveUp();
  };
  const cancel = clock.after(ms, leave);
  body.start({
    write: (bytes) => {
      const fits = kept.add(bytes);
      if (!fits) leave();
      return fits;
    },
    end: () => end(kept.bytes()),
    fail: () => end(new Uint8Array(bytesMax + 1)),
  });
  return promise;
}
