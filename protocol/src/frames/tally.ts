import { z } from 'zod';
import { callId, siteId, timeMs, workerVersionId } from '../ids.ts';

/**
 * Orchestrator → edge, on any lane: how do this site's relayed requests go, of the version that is being deployed and of
 * the others? Counting begins when it is first asked under the name `window`. Answered by `tally` or `error`.
 */
export const getTally = z.object({
  type: z.literal('get_tally'),
  id: callId,
  siteId,
  /** Whoever asks under the same name is told more of the same count. */
  window: z.string().min(1).max(200),
  /** Both as their requests name them: `SENT_BY_HEADER`. */
  version: workerVersionId,
  before: workerVersionId.optional(),
});

const outcomes = z.object({
  answered: z.int().min(0),
  failed: z.int().min(0),
  /** Says nothing of who sent it: the VPS was away, its upstream offline, a limit reached. */
  apart: z.int().min(0),
});
/** How many requests went how. */
export type Outcomes = z.infer<typeof outcomes>;

/** Edge → orchestrator: the answer to `get_tally`, of the requests that this lane's object has carried. */
export const tally = z.object({
  type: z.literal('tally'),
  id: callId,
  /** When the count began, by the edge's clock. It is in memory: another time means that one before it was lost. */
  since: timeMs,
  /** Now, by the same clock. */
  at: timeMs,
  version: outcomes,
  before: outcomes,
  /** The site's other requests, most of which name no version. */
  others: outcomes,
});
