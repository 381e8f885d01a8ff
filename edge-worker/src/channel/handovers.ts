import { SESSION_MS_MAX } from '@clawdbot/protocol';
import type { OpenAttachment } from './attachment.ts';
import type { Connected, Session } from './session.ts';

const MINUTE_MS = 60_000;
/** A successor is asked for so long before a session's end, at the least: an outage has ended by then, or is a long one. */
const DIALS_MS = 10 * MINUTE_MS;
/** Sessions that began together, as after a deploy of the edge, are followed over this: 1,000 of them one every 3 s. */
const SPREAD_MS = 50 * MINUTE_MS;

/**
 * When a session's successor is asked for, in milliseconds since the epoch: 11 h to 11 h 50 min after its beginning, by
 * its id, which is random and comes through a hibernation.
 */
export const handoverAt = ({ since, sessionId }: Pick<OpenAttachment, 'since' | 'sessionId'>): number =>
  endOf({ since }) - DIALS_MS - SPREAD_MS + Math.floor(SPREAD_MS * fractionOf(sessionId));

/** From 0 up to, not including, 1. */
const fractionOf = (hex: string): number => Number.parseInt(hex.slice(0, 8), 16) / 2 ** 32;

const endOf = ({ since }: Pick<OpenAttachment, 'since'>): number => since + SESSION_MS_MAX;

/** The same process has dialled again: the session that was to be followed drains, any other was lost, and ends. */
export function follow(older: Session, nowMs: number): void {
  const { state } = older;
  if (state.state === 'open' && nowMs >= handoverAt(state)) older.retire();
  else older.close('replaced', 'this process has dialled again');
}

export interface HandoversOptions {
  readonly sessions: () => readonly Connected[];
  readonly now: () => number;
}

/** Sees to it that no session lasts longer than `SESSION_MS_MAX` (PROTOCOL S14). */
export class Handovers {
  readonly #options: HandoversOptions;

  constructor(options: HandoversOptions) {
    this.#options = options;
  }

  /** Has what is due followed. To be asked twice changes nothing. */
  run(): void {
    const nowMs = this.#options.now();
    for (const { session } of this.#options.sessions()) {
      const { state } = session;
      if (state.state !== 'open' || nowMs < handoverAt(state)) continue;
      if (nowMs < endOf(state)) session.handOver('a session lasts 12 h at most: the next one may begin');
      else session.close('drained', 'a session lasts 12 h at most, and none has followed this one');
    }
  }

  /** When there is something to do, if sessions are open. */
  nextDue(): number | undefined {
    const nowMs = this.#options.now();
    const times = this.#options.sessions().flatMap(({ session: { state } }) => {
      if (state.state !== 'open') return [];
      return nowMs < handoverAt(state) ? handoverAt(state) : endOf(state);
    });
    return times.length === 0 ? undefined : Math.min(...times);
  }
}
