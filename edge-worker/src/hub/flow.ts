import { LIVE_PROBE_EVERY_BYTES, LIVE_PROBE_TIMEOUT_MS, LIVE_UNPROVEN_BYTES_MAX } from '@clawdbot/protocol';

/** A probe that a dashboard has not answered; survives hibernation. */
export interface Pending {
  readonly n: number;
  /** When it was sent, in milliseconds since the epoch. */
  readonly at: number;
}

/**
 * What one dashboard has been sent, and how much of it is proven to be read: a probe behind every 256 KiB comes
 * back only when what is before it was read.
 */
export class Flow {
  #unprobed: number;
  /** The last probe's number: never used again, so that a late answer proves nothing newer. */
  #n: number;
  #pending: (Pending & { behind: number }) | undefined;

  private constructor(unprobed: number, n: number, pending?: Pending) {
    this.#unprobed = unprobed;
    this.#n = n;
    this.#pending = pending && { ...pending, behind: 0 };
  }

  /** Of a socket that has just been accepted. */
  static fresh(): Flow {
    return new Flow(0, 0);
  }

  /**
   * Of a socket that slept. How much it was sent before is not known, so the next message is probed: else one that
   * never reads could be sent a little between each two sleeps, without end.
   */
  static afterSleep(n: number, pending: Pending | undefined): Flow {
    return new Flow(LIVE_PROBE_EVERY_BYTES, n, pending);
  }

  get n(): number {
    return this.#n;
  }

  get pending(): Pending | undefined {
    return this.#pending && { n: this.#pending.n, at: this.#pending.at };
  }

  /** When it is too slow if nothing comes. */
  get deadline(): number | undefined {
    return this.#pending && this.#pending.at + LIVE_PROBE_TIMEOUT_MS;
  }

  /** Why no more may be sent, if so. */
  tooSlow(now: number): string | undefined {
    if (this.#pending === undefined) return undefined;
    if (this.#pending.behind > LIVE_UNPROVEN_BYTES_MAX) return 'too slow: 4 MiB behind an unanswered probe';
    if (now >= this.#pending.at + LIVE_PROBE_TIMEOUT_MS) return 'too slow: a probe was not answered in 15 s';
    return undefined;
  }

  /** So much was sent. @returns the number of the probe to send behind it, when one is due */
  sent(bytes: number, now: number): number | undefined {
    if (this.#pending === undefined) {
      this.#unprobed += bytes;
      return this.#probe(now);
    }
    this.#pending.behind += bytes;
    return undefined;
  }

  /** A probe has come back. @returns the number of the next one, when what went behind it is enough for that */
  proven(n: number, now: number): number | undefined {
    if (this.#pending?.n !== n) return undefined;
    this.#unprobed = this.#pending.behind;
    this.#pending = undefined;
    return this.#probe(now);
  }

  #probe(now: number): number | undefined {
    if (this.#unprobed < LIVE_PROBE_EVERY_BYTES) return undefined;
    this.#unprobed = 0;
    this.#n += 1;
    this.#pending = { n: this.#n, at: now, behind: 0 };
    return this.#n;
  }
}
