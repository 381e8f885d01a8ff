import type { Kept, Outbox } from './outbox.ts';

/** After this a page on a bad line is told that its lead is kept. */
const TIMEOUT_MS = 40_000;
/** Pauses before the next tries, while the page is open. */
const PAUSES_MS = [2_000, 10_000, 60_000];

/** What has become of a lead. `kept`: it is sent again, later or on the next page. `refused`: it will never be taken. */
export type Outcome =
  | { readonly state: 'taken'; readonly receiptId?: string }
  | { readonly state: 'kept' }
  | { readonly state: 'refused'; readonly reason: string };

/** Sends what is in the outbox until the Worker has taken it; under its id, so that sending twice does no harm. */
export class Sender {
  readonly #url: string;
  readonly #outbox: Outbox;
  readonly #underWay = new Set<string>();
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, outbox: Outbox) {
    this.#url = url;
    this.#outbox = outbox;
    addEventListener('online', () => this.resend());
    // The page ends: a beacon outlives it. Nobody hears the answer, so the lead stays until the next page.
    addEventListener('pagehide', () => {
      for (const { body } of this.#idle()) this.#beacon(body);
    });
  }

  /** All that waits. */
  resend(): void {
    clearTimeout(this.#timer);
    for (const lead of this.#idle()) void this.send(lead);
  }

  /** Never rejects. */
  async send(lead: Kept): Promise<Outcome> {
    this.#underWay.add(lead.id);
    const outcome = await this.#try(lead.body);
    this.#underWay.delete(lead.id);
    if (outcome.state === 'kept') this.#later();
    else this.#outbox.remove(lead.id);
    if (outcome.state === 'taken') this.#failures = 0;
    return outcome;
  }

  #idle(): Kept[] {
    return this.#outbox.all().filter(({ id }) => !this.#underWay.has(id));
  }

  async #try(body: string): Promise<Outcome> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        body, // As text, which needs no preflight.
        keepalive: true,
        credentials: 'omit',
        // Safari has it from 16 on; without it the browser's own limit holds.
        ...('timeout' in AbortSignal && { signal: AbortSignal.timeout(TIMEOUT_MS) }),
      });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) return { state: 'taken', ...(answer.receiptId && { receiptId: answer.receiptId }) };
      return answer.retryable === false
        ? { state: 'refused', reason: String(answer.detail) }
        : { state: 'kept' };
    } catch {
      return { state: 'kept' };
    }
  }

  #later(): void {
    const pause = PAUSES_MS[this.#failures++];
    clearTimeout(this.#timer);
    if (pause !== undefined) this.#timer = setTimeout(() => this.resend(), pause);
  }

  #beacon(body: string): void {
    try {
      navigator.sendBeacon(this.#url, body);
    } catch {
      // Too many at once: they are sent on the next page.
    }
  }
}
