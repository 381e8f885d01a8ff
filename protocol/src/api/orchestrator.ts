import { z } from 'zod';
import { adoptPayload, deployPayload, rollbackPayload, updateConfigPayload } from '../commands/index.ts';
import { siteId } from '../ids.ts';
import { json } from '../json.ts';

export const statusPayload = z.strictObject({});

/** `POST /api/v1/orchestrator`: the seed's `OrchestratorRequest`, with each action's payload spelt out. */
export const orchestratorRequest = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('deploy_worker'), payload: deployPayload, siteId }),
  z.strictObject({ action: z.literal('rollback_worker'), payload: rollbackPayload, siteId }),
  z.strictObject({ action: z.literal('adopt_worker'), payload: adoptPayload, siteId }),
  z.strictObject({ action: z.literal('update_config'), payload: updateConfigPayload, siteId }),
  z.strictObject({ action: z.literal('get_status'), payload: statusPayload, siteId }),
]);
export type OrchestratorRequest = z.infer<typeof orchestratorRequest>;

/** Its answer, errors included: the seed's `OrchestratorResponse`. */
export const orchestratorResponse = z.object({
  success: z.boolean(),
  data: json.optional(),
  error: z.string().optional(),
  timestamp: z.iso.datetime(),
});
export type OrchestratorResponse = z.infer<typeof orchestratorResponse>;

/** `data` of a 202, the command that was taken; or of an edit's 200. */
export const commandTaken = z.object({
  commandId: z.string(),
  state: z.string(),
  generation: z.int().optional(),
  /**
   * Of `update_config`: the edit changes nothing, and no generation was made. `generation` is the desired one, and
   * `commandId` and `state` are of the command that brings it, or brought it.
   */
  unchanged: z.literal(true).optional(),
  /** Of `update_config`: what will not work as the config stands, such as a secret that is not set. */
  warnings: z.array(z.string()).optional(),
});
export type CommandTaken = z.infer<typeof commandTaken>;

/** A key the caller chose, so that a repeat is known from a new request. */
export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 visible ASCII characters');
