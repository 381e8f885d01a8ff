import { Failure } from '@clawdbot/protocol';
import { cancelled, expired, failedWith, type Outcome } from './outcome.ts';
import type { OpenCommand } from './table.ts';

/**
 * A command whose runs never end, since it brings the process down, must not keep the orchestrator in a loop: after so
 * many without a milestone it may only undo what it has done, …
 */
export const ATTEMPTS_MAX = 20;
/** … and after so many not even that. */
const ATTEMPTS_TO_UNDO = 5;

export const stoppedTooOften = (attempts: number): Failure =>
  new Failure('internal', `the orchestrator was stopped ${attempts} times while it ran this command`);

/** What ends a command without a run. One that has begun before must find out how far it got. */
export function earlyEnd(command: OpenCommand, edgeNow: number): Outcome | undefined {
  const { body, started, attempts, cancelReason } = command;
  if (attempts >= ATTEMPTS_MAX + ATTEMPTS_TO_UNDO) return failedWith(stoppedTooOften(attempts));
  if (started) return undefined;
  if (cancelReason !== undefined) return cancelled(cancelReason);
  return body.expiresAt !== undefined && body.expiresAt <= edgeNow ? expired() : undefined;
}
