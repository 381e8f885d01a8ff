import { z } from 'zod';
import { callId, secretName, siteId } from '../ids.ts';
import { SECRET_BYTES_MAX } from '../limits.ts';

/** Orchestrator → edge, lane 0 only: a secret of a site that is here, please. Answered by `secret` or `error`. */
export const getSecret = z.object({ type: z.literal('get_secret'), id: callId, siteId, name: secretName });

/** Edge → orchestrator: the answer to `get_secret`. Nothing that comes of it is written down. */
export const secret = z.object({
  type: z.literal('secret'),
  id: callId,
  value: z.string().min(1).max(SECRET_BYTES_MAX),
  /** Rises with each change of any secret here: a greater one is newer. */
  version: z.int().min(1),
});
