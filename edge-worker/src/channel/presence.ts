import { type Presence, presence } from '@clawdbot/protocol';
import type { Meta } from './store.ts';

/**
 * Whether the orchestrator can be reached, since when and why; kept, so that an object that was asleep or
 * restarted still knows when the orchestrator went away.
 */
export class PresenceBook {
  readonly #meta: Meta;
  readonly #now: () => number;

  constructor(meta: Meta, now: () => number) {
    this.#meta = meta;
    this.#now = now;
  }

  get current(): Presence {
    const kept = this.#meta.text('presence');
    return kept === undefined ? { state: 'never' } : presence.parse(JSON.parse(kept));
  }

  /** @returns whether something changed */
  set(state: Presence['state'], reason: string): boolean {
    const before = this.current;
    if (before.state === state && before.reason === reason) return false;
    const since = before.state === state ? before.since : this.#now();
    this.#meta.set('presence', JSON.stringify({ state, reason, ...(since === undefined ? {} : { since }) }));
    return true;
  }

  /**
   * How long until a retry is worth it: what the orchestrator's own backoff allows by now (at most 4 s between
   * dials in an outage's first minute, 32 s after it), with its connect time on top.
   */
  retryAfterMs(): number {
    const { state, since } = this.current;
    const awayMs = state === 'away' && since !== undefined ? this.#now() - since : 60_000;
    return awayMs < 60_000 ? 5_000 : 33_000;
  }
}
