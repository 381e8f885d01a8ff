import { SILENCE_MS } from '@clawdbot/protocol';
import type { OpenAttachment } from './attachment.ts';
import type { Connected, Session } from './session.ts';

/** A heartbeat may be late by a slow network's hiccup before its socket is given up. */
const HEARTBEAT_SLACK_MS = 10_000;

/**
 * The session that takes new work, of those that are open and that `counts` lets through. One whose heartbeat has
 * stopped is given up on the way.
 */
export function currentOf(
  sessions: readonly Connected[],
  counts: (state: OpenAttachment) => boolean,
  nowMs: number,
): Session | undefined {
  for (const { session, heartbeatAt } of sessions) {
    const { state } = session;
    if (state.state !== 'open' || !counts(state)) continue;
    const isFresh = (at: number) => nowMs - at <= SILENCE_MS + HEARTBEAT_SLACK_MS;
    if (isFresh(Math.max(session.heardAt, state.since)) || isFresh(heartbeatAt() ?? 0)) return session;
    session.close('unresponsive', 'its heartbeat stopped');
  }
  return undefined;
}
