import { Failure } from '@clawdbot/protocol';
import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
} from 'cloudflare/core/error';
import type { CallBudget } from './budget.ts';
import type { Patience } from './patience.ts';

export interface Calling extends Patience {
  readonly budget: Pick<CallBudget, 'take' | 'hold'>;
}

const ATTEMPTS_MAX = 5;
const PAUSE_BASE_MS = 500;
const PAUSE_MAX_MS = 8_000;
/** Past its budget a token is blocked for five minutes; to be told longer than this is no pause but an end. */
const RETRY_AFTER_MAX_MS = 330_000;

/** What Cloudflare says, its code with it: `Uncaught SyntaxError … (code 10021)`. */
function saying(error: APIError): string {
  const all = error.errors.map(({ code, message }) => `${message ?? 'no message'} (code ${code})`);
  // Compilers speak in lines; a failure is one sentence, in logs too.
  return (all.length > 0 ? all.join('; ') : error.message).replaceAll(/\s*\n\s*/g, ' ');
}

function retryAfter(headers: Headers | undefined): { retryAfterMs?: number } {
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: Math.ceil(seconds * 1_000) } : {};
}

/** Cloudflare's code when a version is older than a change of the Worker's secrets. */
const SECRETS_CHANGED = 10_220;

function adviceOn({ status, errors }: APIError): string {
  if (status === 401 || status === 403)
    return '; check that CLOUDFLARE_API_TOKEN is valid and may edit Workers Scripts of CLOUDFLARE_ACCOUNT_ID';
  if (errors.some(({ code }) => code === SECRETS_CHANGED))
    return '; to go back to that version and its own secrets all the same, use force';
  return '';
}

function answered(error: APIError): Failure {
  const { status = 0, headers } = error;
  const said = `Cloudflare answered ${status}: ${saying(error)}`;
  if (status === 408 || status === 429 || status >= 500) {
    return new Failure('cloudflare_unavailable', said, { ...retryAfter(headers), cause: error });
  }
  const advice = adviceOn(error);
  return new Failure('cloudflare_refused', said + advice, { cause: error });
}

/** What an SDK call threw, as one of our errors; anything that is no answer of Cloudflare's stays what it is. */
function failureOf(error: unknown): unknown {
  if (error instanceof APIUserAbortError || !(error instanceof APIError)) return error;
  if (error instanceof APIConnectionTimeoutError) {
    return new Failure('cloudflare_unavailable', 'Cloudflare did not answer in time', { cause: error });
  }
  if (error instanceof APIConnectionError) {
    return new Failure('cloudflare_unavailable', 'Cloudflare could not be reached', { cause: error });
  }
  return answered(error);
}

const retryAfterOf = (error: unknown): number | undefined =>
  error instanceof Failure ? error.details.retryAfterMs : undefined;

function pauseMs({ details }: Failure, attempt: number, random: () => number): number {
  const backoff = Math.min(PAUSE_MAX_MS, PAUSE_BASE_MS * 2 ** attempt) * (0.5 + random() / 2);
  return Math.max(details.retryAfterMs ?? 0, backoff);
}

const worthRepeating = (error: unknown, attempt: number): error is Failure =>
  error instanceof Failure &&
  error.code === 'cloudflare_unavailable' &&
  attempt < ATTEMPTS_MAX &&
  (error.details.retryAfterMs ?? 0) <= RETRY_AFTER_MAX_MS;

/** Past its budget a token is blocked for five minutes: who is not told how long waits that long. */
const THROTTLED_MS = 300_000;

const isThrottled = (thrown: unknown): boolean => thrown instanceof APIError && thrown.status === 429;

/**
 * Makes one call within the budget, and again after an overload, a fault or silence. A write that is not safe to repeat gives
 * `done`, one call that looks whether the lost attempt went through after all: its answer is then the call's.
 */
export async function patiently<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  { wait, random, budget }: Calling,
  done?: () => Promise<T | undefined>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      // Looked up inside: while Cloudflare is down, the look fails just as the call did.
      await budget.take(signal);
      const already = attempt === 1 ? undefined : await done?.();
      if (already !== undefined) return already;
      if (attempt > 1 && done !== undefined) await budget.take(signal);
      return await call();
    } catch (thrown) {
      signal.throwIfAborted();
      const error = failureOf(thrown);
      if (isThrottled(thrown)) budget.hold(retryAfterOf(error) ?? THROTTLED_MS);
      if (!worthRepeating(error, attempt)) throw error;
      await wait(pauseMs(error, attempt, random), signal);
    }
  }
}
