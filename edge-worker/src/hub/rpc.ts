import { orchestratorId, presence, status, timeMs } from '@clawdbot/protocol';
import { z } from 'zod';

/** What a Channel object tells of its orchestrator; the latest per orchestrator counts. */
export const hubUpdate = z.object({
  orchestratorId,
  presence,
  /** Absent: as it was. */
  status: status.omit({ type: true }).optional(),
  /** When this was so: an older one that comes late changes nothing. */
  at: timeMs,
});
export type HubUpdate = z.infer<typeof hubUpdate>;

/** What the Worker and the Channel objects may ask a Hub, one per organisation. A dashboard comes by `fetch`. */
export interface HubRpc {
  publish(update: HubUpdate): Promise<void>;
  /** Whether any dashboard is connected. */
  watching(): Promise<boolean>;
}

/** The header in which the Worker hands a dashboard's verified claims to the Hub, as JSON. */
export const DASHBOARD_HEADER = 'x-orchestrator-dashboard';

/** What the Worker has verified of a dashboard that connects. */
export const dashboardClaims = z.object({
  sub: z.string(),
  /** The token's end, in seconds since the epoch: the socket ends with it. */
  exp: z.int(),
  /** The organisation's orchestrators, so that those that were never heard of are shown too. */
  orchestrators: z.array(orchestratorId),
});
export type DashboardClaims = z.infer<typeof dashboardClaims>;
