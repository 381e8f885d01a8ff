import { z } from 'zod';
import { workerVersionId } from '../ids.ts';
import { envelope, expiresInMs } from './envelope.ts';
import { lookedAt } from './rollout.ts';
import { workerName } from './worker.ts';

const adoptFields = { name: workerName };

/** `adopt_worker` as the operator sends it: a Worker that is there becomes the site's, as it is. */
export const adoptPayload = z.strictObject({ ...adoptFields, expiresInMs: expiresInMs.optional() });
export type AdoptPayload = z.infer<typeof adoptPayload>;

/** `adopt_worker` as it crosses the control log. */
export const adoptWorker = z.object({
  type: z.literal('adopt_worker'),
  ...envelope,
  ...adoptFields,
  /**
   * Of a site that was moved here: the version that the orchestrator before has deployed, and what its health is looked at
   * by. Another version that serves is drift.
   */
  deployed: z.object({ versionId: workerVersionId, lookedAt: lookedAt.optional() }).optional(),
  again: z.boolean().optional(),
});
export type AdoptWorker = z.infer<typeof adoptWorker>;
