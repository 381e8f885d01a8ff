import { Failure, problemOf, retryAfterSeconds } from '@clawdbot/protocol';

export const REQUEST_ID_HEADER = 'X-Request-Id';

/** Anything thrown, as a failure: what we did not throw on purpose is `internal`, and says nothing of itself. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure('internal', 'something failed at the edge; try again, and report the request id', {
    cause: thrown,
  });
}

/** The headers that every failure has, whatever its body. */
export function failureHeaders(failure: Failure, requestId: string): Record<string, string> {
  const { retryAfterMs } = failure.details;
  return {
    [REQUEST_ID_HEADER]: requestId,
    'Cache-Control': 'no-store',
    ...(retryAfterMs === undefined ? {} : { 'Retry-After': retryAfterSeconds(retryAfterMs) }),
    ...(failure.status === 401 ? { 'WWW-Authenticate': challengeOf(failure) } : {}),
    ...(failure.code === 'upgrade_required' ? { Upgrade: 'websocket' } : {}),
  };
}

/** RFC 9110 §11.6.1: a 401 says what is asked for. */
const challengeOf = ({ code }: Failure): string => (code === 'signature_invalid' ? 'Signature' : 'Bearer');

/** A failure as RFC 9457's problem+json. */
export function problemResponse(failure: Failure, requestId: string): Response {
  return Response.json(problemOf(failure, requestId), {
    status: failure.status,
    headers: { ...failureHeaders(failure, requestId), 'Content-Type': 'application/problem+json' },
  });
}

/** What the operator has to mend, and no answer to a customer says. */
const OPERATORS: ReadonlySet<string> = new Set(['internal', 'secret_missing']);

/** One line in the Worker's log for a failure that is our own, the platform's or the site's operator's fault. */
export function logFault(failure: Failure, requestId: string): void {
  if (!OPERATORS.has(failure.code) && failure.details.cause === undefined) return;
  const { cause } = failure.details;
  const stack = cause instanceof Error ? (cause.stack ?? cause.message) : cause && String(cause);
  console.error(
    JSON.stringify({ level: 'error', requestId, code: failure.code, message: failure.message, stack }),
  );
}
