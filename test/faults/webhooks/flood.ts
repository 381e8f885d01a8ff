import { createHash } from 'node:crypto';
import { listOf, receipt, receiptTicket } from '@clawdbot/protocol';
import { eventually } from '../../eventually.ts';
import { becomes } from '../../sandbox/processes/polling.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/** The site that is flooded. Its upstream writes down what comes to `/webhooks/`. */
export const FLOODED = {
  siteId: 'flooded',
  routes: ['/webhooks/orders/*', '/webhooks/leads/*', '/webhooks/refunds/*'],
} as const;

/** A webhook that was taken. */
export interface Posted {
  readonly path: string;
  readonly sha256: string;
  readonly receiptId: string;
}

/** Customers at a time. */
const CUSTOMERS = 16;
const ANSWER_WITHIN_MS = 10_000;
/** A customer posts again until it has its receipt: nothing is away for so long. */
const TAKEN_WITHIN_MS = 120_000;
const SITE_URL = `/s/${FLOODED.siteId}`;

/** Customers who post, each webhook until it is taken, under a key of their own. */
export class Flood {
  readonly posted: Posted[] = [];
  /** Posts that brought no answer, or none that ends it. */
  repeated = 0;
  readonly #sandbox: Sandbox;
  readonly #count: number;
  #next = 0;

  constructor(sandbox: Sandbox, count: number) {
    this.#sandbox = sandbox;
    this.#count = count;
  }

  /** Of all webhooks, those that were taken. */
  get share(): number {
    return this.posted.length / this.#count;
  }

  async run(): Promise<void> {
    await Promise.all(
      Array.from({ length: CUSTOMERS }, async () => {
        while (this.#next < this.#count) await this.#post(this.#next++);
      }),
    );
  }

  async #post(n: number): Promise<void> {
    const route = FLOODED.routes[n % FLOODED.routes.length] ?? '';
    const path = route.replace('*', String(n));
    const body = JSON.stringify({ order: n, email: `customer-${n}@example.com` });
    let asked = 0;
    const post = () => {
      asked += 1;
      return fetch(`${this.#sandbox.file.relayUrl}${SITE_URL}${path}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'idempotency-key': `order-${n}` },
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    };
    const answer = await eventually(
      `webhook ${n} is taken`,
      post,
      (it) => it.status === 202,
      TAKEN_WITHIN_MS,
    );
    this.repeated += asked - 1;
    const { receiptId } = receiptTicket.parse(await answer.json());
    this.posted.push({ path, receiptId, sha256: createHash('sha256').update(body).digest('hex') });
  }

  /** Waits until no receipt is under way any more. @returns how many still are when the time is over */
  async settled(withinMs: number): Promise<number> {
    const under = async () => (await this.#some('stored')) + (await this.#some('on_vps'));
    return (await becomes(async () => (await under()) === 0, withinMs)) ? 0 : under();
  }

  async #some(state: string): Promise<number> {
    const { edgeUrl, adminToken } = this.#sandbox.file;
    const url = `${edgeUrl}/api/v1/receipts?site=${FLOODED.siteId}&state=${state}&limit=1`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${adminToken}` } });
    return listOf(receipt).parse(await response.json()).items.length;
  }
}
