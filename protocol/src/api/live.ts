import { z } from 'zod';
import { status } from '../frames/status.ts';
import { orchestratorId, timeMs } from '../ids.ts';
import { siteMove } from './moves.ts';
import { commandSummary, edgeQueues, event, presence } from './resources.ts';

/**
 * `WS /live`: what a dashboard is told. The first message is a `snapshot`, or, for one that names a `stream` and a
 * position that are still known (`/live?stream=…&after=…`), an `update` with all that changed since. Every
 * message's `position` is where to continue from.
 */

/** An orchestrator as dashboards show it: latest wins. */
export const liveOrchestrator = z.object({
  id: orchestratorId,
  presence,
  /** When the edge last knew this; dashboards count from it. */
  at: timeMs,
  queues: edgeQueues.optional(),
  status: status.omit({ type: true }).optional(),
});
export type LiveOrchestrator = z.infer<typeof liveOrchestrator>;

const live = {
  position: z.int().min(0),
  /** In an update: those that have changed. */
  orchestrators: z.array(liveOrchestrator),
  /** Open commands, and those that ended last; in an update those that have changed. */
  commands: z.array(commandSummary),
  /** Moves of sites that are under way, and those that ended last; in an update those that have changed. */
  moves: z.array(siteMove),
  /** Oldest first; a snapshot has the last ones. */
  events: z.array(event),
};

export const liveSnapshot = z.object({
  type: z.literal('snapshot'),
  /** Names this run of positions: a continuation must name it too. */
  stream: z.string(),
  ...live,
});
export type LiveSnapshot = z.infer<typeof liveSnapshot>;

export const liveUpdate = z.object({
  type: z.literal('update'),
  ...live,
  /** Events that were too many to be told one by one: `GET /api/v1/events` has them. */
  missed: z.int().min(0),
});
export type LiveUpdate = z.infer<typeof liveUpdate>;

/** Both ways: the edge asks, and a dashboard sends it back, which proves that it has read what came before. */
export const liveProbe = z.object({ type: z.literal('probe'), n: z.int().min(0) });

export const liveMessage = z.discriminatedUnion('type', [liveSnapshot, liveUpdate, liveProbe]);
export type LiveMessage = z.infer<typeof liveMessage>;
