import { Failure, type Verify, VISITOR_HEADER } from '@clawdbot/protocol';
import type { SignaturePorts } from './signatures.ts';
import { verifySignature } from './verify.ts';

/** `t=1760000000,ip=192.0.2.7,v1=…`; of an address the characters, since nothing but counting is done by it. */
const SAID = /^t=\d{1,12},ip=([0-9a-f.:]{2,45}),v1=[0-9a-f]{64}$/i;

const SIGNED = {
  scheme: 'hmac-sha256-timestamped',
  header: VISITOR_HEADER,
  encoding: 'hex',
  prefix: 'v1=',
  // One that leaked is of use for as long as a request may be on its way.
  timestamp: { prefix: 't=', signed: '{timestamp}.{body}', toleranceS: 300 },
} as const satisfies Omit<Extract<Verify, { timestamp: object }>, 'secretRef'>;

const encoder = new TextEncoder();

/** Who a request is from by the word of the site's own Worker, which is believed for its signature alone. */
export class Visitors {
  readonly #ports: SignaturePorts;

  constructor(ports: SignaturePorts) {
    this.#ports = ports;
  }

  /**
   * The visitor's address; undefined when what is said is not signed with the secret, or that is not set: then the request
   * counts as that of whoever sent it. Not refused, since a lead that is counted wrongly is better than one that is lost.
   */
  async addressIn(said: string, siteId: string, secretRef: string): Promise<string | undefined> {
    const address = SAID.exec(said)?.[1];
    if (address === undefined) return undefined;
    try {
      const { value } = await this.#ports.secret(siteId, secretRef);
      const request = {
        headers: [[VISITOR_HEADER, said] as [string, string]],
        body: encoder.encode(address),
      };
      verifySignature({ ...SIGNED, secretRef }, request, value, this.#ports.now());
      return address;
    } catch (thrown) {
      if (thrown instanceof Failure) return undefined;
      throw thrown;
    }
  }
}
