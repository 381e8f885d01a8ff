import { z } from 'zod';
import { moveId, orchestratorId, siteId, timeMs } from '../ids.ts';

/** `POST /api/v1/sites/:id/move`, `POST /api/v1/orchestrators/:id/evacuate`: where to. */
export const moveTo = z.strictObject({ orchestratorId });
export type MoveTo = z.infer<typeof moveTo>;

/**
 * `preparing`: the new orchestrator gets the config and what was settled, the site works as before. `moving`: requests
 * are stored and not sent. `moved`: the new orchestrator has the site, for good. `undoing`, `undone`: it has not, and the
 * site works as before.
 */
export const moveState = z.enum(['preparing', 'moving', 'moved', 'undoing', 'undone']);

/** `GET /api/v1/moves/:id`. */
export const siteMove = z.object({
  id: moveId,
  siteId,
  from: orchestratorId,
  to: orchestratorId,
  state: moveState,
  /** Why it was undone. */
  reason: z.string().optional(),
  /** Stored requests that have crossed, delivered or not. */
  receipts: z.int(),
  /** Since when requests are stored and not sent; absent until then. */
  heldAt: timeMs.optional(),
  /** Requests that wait for the end of it, counted to a few thousand; absent where nobody counts, as in lists. */
  waiting: z.int().min(0).optional(),
  /** How long stored requests were not sent. */
  pausedMs: z.int().optional(),
  createdBy: z.string(),
  createdAt: timeMs,
  updatedAt: timeMs,
});
export type SiteMove = z.infer<typeof siteMove>;

/** Is there nothing more to wait for? */
export const isMoveOver = ({ state }: Pick<SiteMove, 'state'>): boolean =>
  state === 'moved' || state === 'undone';

/** One page of an evacuation: sites whose moves have begun, and those whose have not. `next` is where it goes on. */
export const evacuation = z.object({
  moves: z.array(siteMove),
  refused: z.array(z.object({ siteId, reason: z.string() })),
  next: z.string().nullable(),
});
export type Evacuation = z.infer<typeof evacuation>;
