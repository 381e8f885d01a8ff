import { z } from 'zod';
import { channelState, laneStatus, tunnelStatus, workerStatus } from '../frames/status.ts';

/** The orchestrator's `GET /health`: the seed's shape, and the channel. */
export const orchestratorHealth = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  version: z.string(),
  /** Seconds. */
  uptime: z.number(),
  workers: z.array(workerStatus),
  tunnel: tunnelStatus,
  /** Whether the database takes writes; `full` and `failing` recover by themselves when the disk does. */
  storage: z.object({ state: z.enum(['ok', 'full', 'failing']), detail: z.string().optional() }),
  /** Entries that the edge had deleted before they came here: since when that is known, and how many. */
  lost: z.object({ at: z.iso.datetime(), entries: z.int() }).optional(),
  channel: z.object({
    state: channelState,
    since: z.iso.datetime(),
    reason: z.string().optional(),
    fence: z.int().optional(),
    retryInMs: z.int().optional(),
    /** Those beyond lane 0, if there are any; the rest of `channel` is lane 0's. */
    lanes: z.array(laneStatus).optional(),
  }),
});
export type OrchestratorHealth = z.infer<typeof orchestratorHealth>;

/** The edge's `GET /health`. */
export const edgeHealth = z.object({ status: z.literal('healthy'), version: z.string() });
