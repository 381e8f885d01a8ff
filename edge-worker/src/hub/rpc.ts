import {
  commandSummary,
  edgeQueues,
  event,
  orchestratorId,
  presence,
  siteMove,
  status,
  timeMs,
} from '@clawdbot/protocol';
import { z } from 'zod';

/** Events that one update carries at most; how many there were before them, their positions tell. */
export const EVENTS_PER_UPDATE_MAX = 100;

/** Ended moves of one orchestrator that are told: an evacuation of all its sites is to be seen as a whole. */
export const ENDED_MOVES_MAX = 500;

/** What a Channel object tells of its orchestrator. What is absent is as it was. */
export const hubUpdate = z.object({
  orchestratorId,
  /** When this was so: an older one that comes late changes nothing. */
  at: timeMs,
  presence,
  queues: edgeQueues.optional(),
  status: status.omit({ type: true }).optional(),
  /** Those that have changed; when watching begins, all that are open and those that ended last. */
  commands: z.array(commandSummary).optional(),
  /** The same of the moves of its sites to other orchestrators. */
  moves: z.array(siteMove).optional(),
  events: z
    .object({
      /** The last ones, oldest first, with nothing between them left out. */
      items: z.array(event).max(EVENTS_PER_UPDATE_MAX),
      /** The position in that object of the last of them; 0: there is none. */
      last: z.int().min(0),
    })
    .optional(),
});
export type HubUpdate = z.infer<typeof hubUpdate>;

/** What the Worker and the Channel objects may ask a Hub, one per organisation. A dashboard comes by `fetch`. */
export interface HubRpc {
  publish(update: HubUpdate): Promise<void>;
}

/** The header in which the Worker hands a dashboard's verified claims to the Hub, as JSON. */
export const DASHBOARD_HEADER = 'x-orchestrator-dashboard';

/** What the Worker has verified of a dashboard that connects, and what it asks for. */
export const dashboardClaims = z.object({
  /** The token's end, in seconds since the epoch: the socket ends with it. */
  exp: z.int(),
  /** The organisation's orchestrators, so that those never heard of are shown too; absent: as they were last. */
  orchestrators: z.array(orchestratorId).optional(),
  /** Where it wants to continue. */
  from: z.object({ stream: z.string(), position: z.int().min(0) }).optional(),
});
export type DashboardClaims = z.infer<typeof dashboardClaims>;
