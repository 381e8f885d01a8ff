import { z } from 'zod';
import { sha256Hex, siteId, timeMs } from '../ids.ts';
import { siteConfig } from '../site/config.ts';

/**
 * Where a generation stands. `refused`: the VPS said no, and runs what it ran before; `quarantined`: it said so
 * `CONFIG_FAILURES_MAX` times, and is not sent it again before it is edited; `withdrawn`: cancelled, expired, or
 * superseded before it was sent.
 */
export const configStanding = z.enum(['pending', 'applied', 'refused', 'quarantined', 'withdrawn']);
export type ConfigStanding = z.infer<typeof configStanding>;

/** One generation of a site's config, as its history lists it. */
export const configGeneration = z.object({
  generation: z.int(),
  digest: sha256Hex,
  /** When it was made, and by whom: the token's `sub`. */
  at: timeMs,
  author: z.string(),
  note: z.string().optional(),
  state: configStanding,
  /** Why it is in this state, where there is more to say. */
  why: z.string().optional(),
  /** When the VPS first ran it. */
  appliedAt: timeMs.optional(),
  /** How often the VPS refused it. */
  failures: z.int(),
  /** It is what the VPS runs, as far as is known. */
  runs: z.boolean(),
});
export type ConfigGeneration = z.infer<typeof configGeneration>;

/** `GET /api/v1/sites/:id/config/history/:generation`. */
export const configGenerationDetail = configGeneration.extend({ config: siteConfig });
export type ConfigGenerationDetail = z.infer<typeof configGenerationDetail>;

const attempt = z.object({
  generation: z.int(),
  at: timeMs,
  /** Why it failed; absent when it did not. */
  error: z.string().optional(),
  /** How often this generation has failed. */
  failures: z.int(),
});
export type ConfigAttempt = z.infer<typeof attempt>;

/** One that has to use a config, and how far it is. */
const consumer = z.object({
  state: configStanding,
  /** The generation that it uses now; absent where nobody has said. */
  generation: z.int().optional(),
  /** Since when it uses the desired one. */
  at: timeMs.optional(),
  /** Why it does not use the desired one. */
  why: z.string().optional(),
});
export type ConfigConsumer = z.infer<typeof consumer>;

/**
 * `GET /api/v1/sites/:id/config`: what is desired, what the orchestrator last said runs, and who uses the desired one.
 * It is applied when all of `applied` say so.
 */
export const siteConfigState = z.object({
  siteId,
  generation: z.int(),
  digest: sha256Hex,
  config: siteConfig,
  updatedAt: timeMs.optional(),
  author: z.string().optional(),
  note: z.string().optional(),
  running: z.object({ generation: z.int(), digest: sha256Hex }).optional(),
  /** The newest generation that the VPS has ever taken. */
  lastGood: z.object({ generation: z.int(), digest: sha256Hex, at: timeMs }).optional(),
  lastAttempt: attempt.optional(),
  lastFailure: attempt.optional(),
  applied: z.object({
    /** The orchestrator's relay. */
    relay: consumer,
    /** The routes by which lane 0's object decides; isolates of the Worker keep a copy for at most 10 s. */
    edge: consumer,
    /** The Workers deployed for the site, as far as `worker.vars` goes; absent where there is none. */
    worker: consumer.optional(),
  }),
  /** What will not work as it stands, such as a secret that is not set. */
  warnings: z.array(z.string()),
});
export type SiteConfigState = z.infer<typeof siteConfigState>;
