import type { Outbox, Positions } from '@clawdbot/protocol';

/** What the orchestrator has of a log of ours. `applied`: it goes on behind this. */
export type Standing =
  /** All that it ever acknowledged, and it may be more. */
  | { readonly is: 'level'; readonly applied: number }
  /** Less than it once acknowledged: its database was restored. */
  | { readonly is: 'behind'; readonly applied: number }
  /** More than was ever offered, or a log that is not here any more: this object was restored. */
  | { readonly is: 'ahead' }
  /** None of our logs: its database is new. */
  | { readonly is: 'unknown' };

export function standingOf(outbox: Outbox, theirs: Pick<Positions, 'peerLogId' | 'applied'>): Standing {
  if (outbox.isBehind(theirs)) return { is: 'ahead' };
  // It may not have heard yet that this log goes on under another name: what the two share, it has.
  const applied = outbox.sharedWith(theirs);
  if (applied === undefined) return { is: 'unknown' };
  return { is: applied < outbox.acked ? 'behind' : 'level', applied };
}
