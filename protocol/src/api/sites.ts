import { z } from 'zod';
import { orchestratorId, siteId } from '../ids.ts';
import { site } from './resources.ts';

/** `GET /api/v1/sites/:id/queued`: what a deletion would end, and what it would leave. */
export const siteQueued = z.object({
  siteId,
  /** Stored requests that are not delivered yet. */
  receipts: z.int(),
  /** Commands that have not ended. */
  commands: z.int(),
  /** Stored requests whose content is kept, delivered or not. */
  kept: z.int(),
});
export type SiteQueued = z.infer<typeof siteQueued>;

/**
 * `DELETE /api/v1/sites/:id?force=&parcels=`. What is queued is refused without `force`. `parcels` says what becomes of
 * what customers sent: kept as long as it would have been anyway, or erased now.
 */
export const deleteSiteQuery = z.strictObject({
  force: z.enum(['true', 'false']).default('false'),
  parcels: z.enum(['keep', 'erase']).default('keep'),
});

/** What a deletion has done. */
export const deletedSite = z.object({
  siteId,
  receipts: z.object({
    /** Given up undelivered. */
    undelivered: z.int(),
    /** Of all that was kept: is there still, to be found by its receipt, until its time is over. */
    kept: z.int(),
    erased: z.int(),
  }),
  commands: z.object({
    cancelled: z.int(),
    /** Sent already: the orchestrator stops them when it hears of the deletion. */
    left: z.int(),
  }),
});
export type DeletedSite = z.infer<typeof deletedSite>;

/** A row's id in the existing API's table; any text. */
const customerId = z.string().min(1).max(500);

/**
 * `POST /api/v1/sites/import`: customers of the existing API become sites. All of the organisation's, page by page, or
 * those that are named.
 */
export const importSites = z.strictObject({
  orchestratorId: orchestratorId.optional(),
  customers: z.array(customerId).min(1).max(50).optional(),
  after: customerId.optional(),
});
export type ImportSites = z.infer<typeof importSites>;

/** One page of an import; `next` is where it goes on. */
export const importedSites = z.object({
  imported: z.array(site),
  skipped: z.array(z.object({ customerId, reason: z.string() })),
  next: z.string().nullable(),
});
export type ImportedSites = z.infer<typeof importedSites>;
