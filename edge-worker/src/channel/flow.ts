import { Failure, type RandomBytes, type Wire } from '@clawdbot/protocol';

/** Past this much that nothing proves to be read, the other end is asked … */
const ASK_BYTES = 1024 * 1024;
/**
 * … past this much, pieces of streamed bodies wait for its answer, so that a frame given in between does not wait
 * behind more: 2 MiB fill 40 MiB/s at a round trip of 50 ms …
 */
const BODIES_UNREAD_BYTES_MAX = 2 * 1024 * 1024;
/** … and past this much nothing large is sent until it answers: an object has 128 MB for everything. */
const UNREAD_BYTES_MAX = 32 * 1024 * 1024;

/**
 * How much the orchestrator may not have read yet. workerd queues without bound for a reader that does not read,
 * and a hibernatable socket has no `bufferedAmount` (undefined on workerd 1.20261102): so a probe goes behind what
 * was sent, and its echo proves all before it. `n` is random, since only who reads it may know it.
 */
export class Flow {
  readonly #probe: (n: number) => void;
  readonly #random: RandomBytes;
  #unread = 0;
  #asked: { readonly n: number; readonly bytes: number } | undefined;
  /** Of pieces of bodies: to be told when what was sent has been read. */
  #waiting: (() => void)[] = [];

  constructor(probe: (n: number) => void, random: RandomBytes) {
    this.#probe = probe;
    this.#random = random;
  }

  get isFull(): boolean {
    return this.#unread > UNREAD_BYTES_MAX;
  }

  /** The wire, with what goes over it counted. */
  counting(wire: Wire): Wire {
    return {
      ...wire,
      sendText: (text) => {
        wire.sendText(text);
        this.sent(text.length);
      },
      sendBytes: (bytes, sent) => {
        wire.sendBytes(bytes);
        this.sent(bytes.length);
        if (sent === undefined) return;
        if (this.#unread > BODIES_UNREAD_BYTES_MAX) this.#waiting.push(sent);
        else sent();
      },
    };
  }

  sent(bytes: number): void {
    this.#unread += bytes;
    if (this.#unread <= ASK_BYTES || this.#asked !== undefined) return;
    const n = nonce(this.#random);
    this.#asked = { n, bytes: this.#unread };
    this.#probe(n);
  }

  echoed(n: number): void {
    if (this.#asked?.n !== n) return;
    this.#unread -= this.#asked.bytes;
    this.#asked = undefined;
    this.sent(0);
    for (const sent of this.#waiting.splice(0)) sent();
  }
}

/** A probe's number: above those that `Liveness` counts up, and no more than a double holds exactly. */
export const nonce = (random: RandomBytes): number => random(4).reduce((sum, byte) => sum * 256 + byte, 1);

/** Of a call that would wait behind too much. */
export const overloaded = () =>
  new Failure('overloaded', 'too much waits on the socket of this orchestrator: try again', {
    retryAfterMs: 1_000,
    execution: 'not_started',
  });
