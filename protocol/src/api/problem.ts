import { z } from 'zod';
import { errorCode, type Failure } from '../errors.ts';

/** RFC 9457. `code` is for programs, `detail` is a sentence that says what to do. */
export const problem = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  code: errorCode,
  detail: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.int().optional(),
  requestId: z.string().optional(),
});
export type Problem = z.infer<typeof problem>;

export function problemOf(failure: Failure, requestId?: string): Problem {
  const { code, message, retryable, retryAfterMs } = failure.toWire();
  return {
    type: 'about:blank',
    title: code.replaceAll('_', ' '),
    status: failure.status,
    code,
    detail: message,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** The value of a `Retry-After` header: whole seconds, at least one (RFC 9110 §10.2.3). */
export const retryAfterSeconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1_000)));
