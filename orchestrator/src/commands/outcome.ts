import { commandResult, Failure } from '@clawdbot/protocol';
import type { z } from 'zod';

/** How a command ended: its `command_result` without the envelope. */
export const outcome = commandResult.pick({ state: true, result: true, error: true, reason: true });
export type Outcome = z.infer<typeof outcome>;

/** What a running command's signal is aborted with when an operator cancels it. */
export class Cancelled extends Failure {
  constructor(reason: string) {
    super('conflict', reason);
    this.name = 'Cancelled';
  }
}

/** What it is aborted with when the process stops: the command stays open and is taken up at the next boot. */
export class Stopping extends Error {
  override readonly name = 'Stopping';
}

const MESSAGE_MAX = 2_000;
const REASON_MAX = 500;

export const expired = (): Outcome => ({ state: 'expired', reason: 'it expired before it could start' });
export const cancelled = (reason: string): Outcome => ({
  state: 'cancelled',
  reason: reason.slice(0, REASON_MAX),
});

/** A thrown error as a result. `undefined` when the process stops: nobody has decided anything. */
export function failed(error: unknown, stop: AbortSignal): Outcome | undefined {
  if (stop.aborted) return undefined;
  if (error instanceof Cancelled) return cancelled(error.message);
  return failedWith(
    error instanceof Failure
      ? error
      : new Failure('internal', 'the orchestrator failed while it ran this command: see its log'),
  );
}

export const failedWith = ({ code, message }: Failure): Outcome => ({
  state: 'failed',
  error: { code, message: message.slice(0, MESSAGE_MAX) },
});

export const unreadable = (why: string): Outcome =>
  failedWith(new Failure('internal', `this version of the orchestrator cannot read the command: ${why}`));
