import { z } from 'zod';
import { sha256Hex } from '../ids.ts';
import { json } from '../json.ts';
import { siteConfig } from '../site/config.ts';
import { envelope, expiresInMs } from './envelope.ts';

/** `update_config` as the operator sends it: a merge patch (RFC 7396) or the whole, and what it was based on. */
export const updateConfigPayload = z
  .strictObject({
    base: z.int().min(0),
    patch: json.optional(),
    config: json.optional(),
    /** Why: it stands in the config's history. */
    note: z.string().min(1).max(500).optional(),
    expiresInMs: expiresInMs.optional(),
  })
  .refine((payload) => (payload.patch === undefined) !== (payload.config === undefined), {
    error: 'expected either patch or config',
  });
export type UpdateConfigPayload = z.infer<typeof updateConfigPayload>;

/** `update_config` as it crosses the control log: always the whole config of that generation. */
export const updateConfig = z.object({
  type: z.literal('update_config'),
  ...envelope,
  generation: z.int().min(1),
  digest: sha256Hex,
  config: siteConfig,
});
export type UpdateConfig = z.infer<typeof updateConfig>;

export const updateConfigResult = z.object({ generation: z.int(), digest: sha256Hex });
