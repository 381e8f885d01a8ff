import { type Outbox, orchestratorCodec, type ReceiptReport } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Attempted, Told } from './attempt.ts';
import type { Delivery, DeliveryTable } from './table.ts';
import { pauseMs } from './verdict.ts';

export interface BookOptions {
  readonly table: DeliveryTable;
  /** Of the queue log. */
  readonly outbox: Pick<Outbox, 'append'>;
  readonly clock: Clock;
  /** From 0 up to, not including, 1: spreads the retries. */
  readonly jitter: () => number;
}

/** A delivery, and how it went this time. */
export interface Attempt {
  readonly delivery: Delivery;
  readonly attempted: Attempted | { readonly is: 'expired' };
}

/** Answers that a repeat hardly changes, until a request is given up. */
const REFUSALS_MAX = 5;

/** Writes down how deliveries went, each with the entry that tells the edge. */
export class DeliveryBook {
  readonly #options: BookOptions;

  constructor(options: BookOptions) {
    this.#options = options;
  }

  /** In the transaction. @returns what a customer who waits is told behind it */
  write({ delivery, attempted }: Attempt): Told[] {
    const { receiptId, n } = delivery;
    const attempts = delivery.attempts + 1;
    switch (attempted.is) {
      case 'undone':
        return [];
      case 'gone':
        this.#options.table.end(n);
        return [];
      case 'expired':
        // Asked for once more meanwhile: the edge must not take this end for that delivery's.
        if (!this.#options.table.end(n)) return [];
        this.#report(delivery, { state: 'expired', attempts: delivery.attempts, error: 'its time was up' });
        return delivery.awaited ? [{ receiptId, attempts: delivery.attempts }] : [];
      case 'tried': {
        const answer = this.#settle(delivery, attempted, attempts);
        if (!delivery.awaited) return [];
        return [{ receiptId, attempts, ...(answer === undefined ? {} : { answer }) }];
      }
    }
  }

  #settle(
    delivery: Delivery,
    { verdict, answer }: Extract<Attempted, { is: 'tried' }>,
    attempts: number,
  ): Told['answer'] {
    const { is, ...said } = verdict;
    if (is === 'delivered') {
      this.#options.table.end(delivery.n);
      this.#report(delivery, { state: 'delivered', attempts, ...said });
      return answer;
    }
    const refusals = delivery.refusals + (is === 'refused' ? 1 : 0);
    const { status, error } = verdict;
    const told = { attempts, ...(status === undefined ? {} : { status }), error: error.slice(0, 500) };
    const isDead = refusals >= REFUSALS_MAX;
    const isKnown = isDead
      ? this.#options.table.end(delivery.n)
      : this.#options.table.retry(delivery.n, {
          attempts,
          refusals,
          nextAt: this.#nextAt(attempts, verdict),
        });
    if (isKnown) this.#report(delivery, { state: isDead ? 'dead' : 'retrying', ...told });
    return undefined;
  }

  #nextAt(attempts: number, verdict: { readonly is: string; readonly retryAfterMs?: number }): number {
    const { clock, jitter } = this.#options;
    return Math.ceil(clock.now() + Math.max(pauseMs(attempts, jitter), verdict.retryAfterMs ?? 0));
  }

  /** Throws `Failure('log_full')`. */
  #report({ receiptId }: Delivery, said: Omit<ReceiptReport, 'type' | 'receiptId' | 'at'>): void {
    const entry = { type: 'receipt', receiptId, at: this.#options.clock.now(), ...said } as const;
    this.#options.outbox.append(orchestratorCodec.encodeEntry(entry));
  }
}

/** Does it tell that the upstream takes requests? Undefined when it was not asked, or does not want this one. */
export function throughOf(attempted: Attempt['attempted']): boolean | undefined {
  if (!('verdict' in attempted) || attempted.verdict.is === 'refused') return undefined;
  return attempted.verdict.is === 'delivered';
}
