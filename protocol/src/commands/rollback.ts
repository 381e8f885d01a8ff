import { z } from 'zod';
import { workerVersionId } from '../ids.ts';
import { envelope, expiresInMs } from './envelope.ts';
import { workerName } from './worker.ts';

const rollbackFields = {
  name: workerName,
  /** One of the last 100; else the one that served everybody before the one that does now. */
  versionId: workerVersionId.optional(),
  /** Also behind a change of the Worker's secrets: the older version has its own, as they were. */
  force: z.boolean().optional(),
};

/** `rollback_worker` as the operator sends it: an older version gets all traffic. */
export const rollbackPayload = z.strictObject({ ...rollbackFields, expiresInMs: expiresInMs.optional() });
export type RollbackPayload = z.infer<typeof rollbackPayload>;

/** `rollback_worker` as it crosses the control log. */
export const rollbackWorker = z.object({
  type: z.literal('rollback_worker'),
  ...envelope,
  ...rollbackFields,
  again: z.boolean().optional(),
});
export type RollbackWorker = z.infer<typeof rollbackWorker>;
