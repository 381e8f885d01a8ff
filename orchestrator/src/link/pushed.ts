import { PARCEL_PUSH_MS, PARCELS_PUSHED_BYTES_MAX } from '@clawdbot/protocol';

interface Pushed {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/**
 * Parcels that the edge has sent without being asked. They spare a round trip while their customer waits, and are not
 * the truth: soon it is the edge's to say again whether there is anything to deliver.
 */
export class PushedParcels {
  readonly #now: () => number;
  /** In the order in which they came. */
  readonly #parcels = new Map<string, Pushed>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  put(receiptId: string, bytes: Uint8Array): void {
    this.take(receiptId);
    this.#parcels.set(receiptId, { bytes, at: this.#now() });
    this.#bytes += bytes.length;
    for (const [oldest] of this.#parcels) {
      if (this.#bytes <= PARCELS_PUSHED_BYTES_MAX) return;
      this.take(oldest);
    }
  }

  /** Once. @returns undefined when there is none, or none that may still be used */
  take(receiptId: string): Uint8Array | undefined {
    const pushed = this.#parcels.get(receiptId);
    if (pushed === undefined) return undefined;
    this.#parcels.delete(receiptId);
    this.#bytes -= pushed.bytes.length;
    return this.#now() - pushed.at <= PARCEL_PUSH_MS ? pushed.bytes : undefined;
  }
}
