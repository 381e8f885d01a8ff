import type { Route } from '@clawdbot/protocol';
import { type SignedRequest, verifySignature } from './verify.ts';

export interface SignaturePorts {
  /** Rejects with `Failure('secret_missing')` when the site has no such secret. */
  secret(siteId: string, name: string): Promise<{ readonly value: string }>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The guard of routes that take signed requests only. */
export class Signatures {
  readonly #ports: SignaturePorts;

  constructor(ports: SignaturePorts) {
    this.#ports = ports;
  }

  /**
   * Lets a request through that its route's sender has signed, and any on a route that asks for no signature. To be
   * called before anything of the request is stored or sent. Throws `Failure`: `signature_invalid` is the
   * customer's, `secret_missing` the operator's to mend.
   */
  async check(siteId: string, { verify }: Pick<Route, 'verify'>, request: SignedRequest): Promise<void> {
    if (verify === undefined) return;
    const { value } = await this.#ports.secret(siteId, verify.secretRef);
    verifySignature(verify, request, value, this.#ports.now());
  }
}
