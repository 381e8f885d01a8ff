import { z } from 'zod';
import { commandId, siteId, timeMs } from '../ids.ts';

/** A command that has not begun by then expires. */
export const expiresInMs = z
  .int()
  .min(1_000)
  .max(30 * 24 * 3_600_000);

/** What every command says as it crosses the control log. */
export const envelope = { commandId, siteId, expiresAt: timeMs.optional() };
