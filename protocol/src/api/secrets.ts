import { z } from 'zod';
import { secretName, timeMs } from '../ids.ts';
import { SECRET_BYTES_MAX } from '../limits.ts';

const encoder = new TextEncoder();

/** `PUT /api/v1/sites/:id/secrets/:name`: text, at most 64 KiB of UTF-8. */
export const putSecret = z.strictObject({
  value: z
    .string()
    .min(1, 'expected at least 1 character: delete the secret to have none')
    .refine((value) => value.isWellFormed(), { error: 'expected text without half surrogate pairs' })
    .refine((value) => encoder.encode(value).length <= SECRET_BYTES_MAX, {
      error: `expected at most ${SECRET_BYTES_MAX} bytes of UTF-8`,
    }),
});
export type PutSecret = z.infer<typeof putSecret>;

/** All that anybody is ever told of a secret: a value goes in, and only its orchestrator gets it out. */
export const secretSummary = z.object({
  name: secretName,
  /** Rises with each change of any secret of this orchestrator: a greater one is newer. */
  version: z.int(),
  updatedAt: timeMs,
  /** Who set it: the token's `sub`. */
  updatedBy: z.string(),
});
export type SecretSummary = z.infer<typeof secretSummary>;
