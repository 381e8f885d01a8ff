import type { Event } from '@clawdbot/protocol';

/** Each once, newest first: D1 is a moment late. */
export function merged(live: readonly Event[], events: readonly Event[]): readonly Event[] {
  const known = new Set(events.map(({ id }) => id));
  const fresh = live.filter(({ id }) => !known.has(id));
  return fresh.length === 0 ? events : [...fresh, ...events].sort((a, b) => b.receivedAt - a.receivedAt);
}
