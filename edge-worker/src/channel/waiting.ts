import type { After } from './liveness.ts';
import type { RelayReply } from './relay-rpc.ts';

interface Customer {
  readonly requestId: string;
  /** With the upstream's own answer, or nothing: the receipt is the answer. */
  readonly settle: (reply: RelayReply | undefined) => void;
}

/**
 * Customers whose request is stored and who wait for the upstream's own answer. In memory only: who is lost with this
 * instance has lost the connection, not the request.
 */
export class Waiting {
  readonly #after: After;
  readonly #open = new Map<string, Customer>();

  constructor(after: After) {
    this.#after = after;
  }

  get size(): number {
    return this.#open.size;
  }

  has(receiptId: string): boolean {
    return this.#open.has(receiptId);
  }

  /** @returns the upstream's answer, or undefined as soon as it is known that there will be none within `ms` */
  wait(receiptId: string, requestId: string, ms: number): Promise<RelayReply | undefined> {
    const { promise, resolve } = Promise.withResolvers<RelayReply | undefined>();
    const cancel = this.#after(ms, () => this.later(receiptId));
    const settle = (reply: RelayReply | undefined) => {
      cancel();
      this.#open.delete(receiptId);
      resolve(reply);
    };
    this.#open.set(receiptId, { requestId, settle });
    return promise;
  }

  answer(receiptId: string, reply: RelayReply): void {
    this.#open.get(receiptId)?.settle(reply);
  }

  /** It is not delivered now. */
  later(receiptId: string): void {
    this.#open.get(receiptId)?.settle(undefined);
  }

  /** Nobody can be reached who would deliver. */
  allLater(): void {
    for (const { settle } of [...this.#open.values()]) settle(undefined);
  }

  /** The customer has gone. */
  forget(requestId: string): void {
    for (const customer of [...this.#open.values()]) {
      if (customer.requestId === requestId) customer.settle(undefined);
    }
  }
}
