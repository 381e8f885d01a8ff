import { Failure, type HeaderList } from '@clawdbot/protocol';

/** How an attempt went. */
export type Verdict =
  /** The upstream has it. */
  | { readonly is: 'delivered'; readonly status: number }
  /** It may go better later. */
  | {
      readonly is: 'failed';
      readonly error: string;
      readonly status?: number;
      readonly retryAfterMs?: number;
    }
  /** The upstream does not want it: a repeat hardly changes that. */
  | { readonly is: 'refused'; readonly error: string; readonly status?: number };

/** An upstream that says so is not ready (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4). */
const NOT_NOW: ReadonlySet<number> = new Set([408, 425, 429]);
/** An upstream may ask for a longer pause than our own; a mistake in its header must not stop a route for a day. */
const RETRY_AFTER_MS_MAX = 60 * 60_000;

export function verdictOf(status: number, headers: HeaderList, now: number): Verdict {
  if (status < 400) return { is: 'delivered', status };
  const error = `the upstream answered ${status}`;
  if (status < 500 && !NOT_NOW.has(status)) return { is: 'refused', status, error };
  const value = headers.find(([name]) => name.toLowerCase() === 'retry-after')?.[1];
  const retryAfterMs = value === undefined ? undefined : retryAfterOf(value, now);
  return { is: 'failed', status, error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** Too large an answer, a request that cannot be sent or that the edge cannot read: the next time is the same. */
const SAME_AGAIN: ReadonlySet<string> = new Set(['response_too_large', 'bad_request', 'blob_missing']);

/** There was no answer, or none that can be read. */
export function verdictOfError(error: unknown): Verdict {
  if (!(error instanceof Failure)) return { is: 'failed', error: String(error) };
  return { is: SAME_AGAIN.has(error.code) ? 'refused' : 'failed', error: error.message };
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfterOf(value: string, now: number): number | undefined {
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX);
}

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 5 * 60_000;

/** Before attempt `attempts + 1`: doubled each time, the half of it left to chance, so that routes do not beat in time. */
export function pauseMs(attempts: number, random: () => number): number {
  const whole = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(attempts - 1, 20));
  return whole / 2 + (random() * whole) / 2;
}
