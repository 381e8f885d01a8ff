import { Failure } from '@clawdbot/protocol';
import { within } from '../deadline.ts';

/** D1 answers in milliseconds; Cloudflare would let a query run for 30 s. */
const D1_DEADLINE_MS = 5_000;

const failed = (cause?: unknown) =>
  new Failure('storage_failed', 'the shared database cannot be asked right now; try again', {
    retryAfterMs: 2_000,
    ...(cause === undefined ? {} : { cause }),
  });

/** Waits for a query no longer than is sensible, and throws `storage_failed` when D1 fails or is silent. */
export async function queried<T>(query: Promise<T>, deadlineMs = D1_DEADLINE_MS): Promise<T> {
  try {
    return await within(deadlineMs, query, failed);
  } catch (thrown) {
    throw thrown instanceof Failure ? thrown : failed(thrown);
  }
}
