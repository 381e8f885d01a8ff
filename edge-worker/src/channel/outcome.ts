import { type ErrorCode, Failure, type Outcomes } from '@clawdbot/protocol';

/** What the end of a relayed request says of whoever sent it: `apart`, nothing. */
export type Outcome = keyof Outcomes;

/** Of our own failures, those that are the request's fault: it was refused for what it is. */
const OF_REQUEST: ReadonlySet<ErrorCode> = new Set([
  'bad_request',
  'method_not_allowed',
  'not_found',
  'signature_invalid',
  'too_large',
]);

/**
 * Of an answer. A 4xx counts as failed: a new version that builds its requests wrongly has them refused, and what visitors
 * get wrong by themselves is refused for the version before as well. How many ask (429) is no version's doing.
 */
export function outcomeOfStatus(status: number): Outcome {
  if (status === 429) return 'apart';
  return status < 400 ? 'answered' : 'failed';
}

/** Of what ended without an answer: the VPS away, its upstream offline or silent, a limit, a customer who has left. */
export const outcomeOfFailure = (thrown: unknown): Outcome =>
  thrown instanceof Failure && OF_REQUEST.has(thrown.code) ? 'failed' : 'apart';
