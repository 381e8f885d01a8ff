import { z } from 'zod';
import { errorCode } from '../errors.ts';

export const commandType = z.enum(['deploy_worker', 'rollback_worker', 'adopt_worker', 'update_config']);
export type CommandType = z.infer<typeof commandType>;

export const commandState = z.enum([
  'queued',
  'delivered',
  'running',
  'succeeded',
  'failed',
  'expired',
  'cancelled',
]);
export type CommandState = z.infer<typeof commandState>;

export const finalState = z.enum(['succeeded', 'failed', 'expired', 'cancelled']);
export const isFinal = (state: CommandState): boolean => finalState.safeParse(state).success;

export const commandError = z.object({ code: errorCode, message: z.string().max(2_000) });
