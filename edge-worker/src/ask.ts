import { Failure } from '@clawdbot/protocol';
import type { Answer } from './channel/answer.ts';
import { within } from './deadline.ts';

/** An object's own work (SQLite, a log entry) takes milliseconds; past this it is stuck or overloaded. */
const OBJECT_DEADLINE_MS = 10_000;

/** Asks a Durable Object for something it does by itself, and throws its failure as ours. */
export async function ask<T>(asked: Promise<Answer<T>>): Promise<T> {
  return unwrap(await reach(asked));
}

/** Waits for a Durable Object no longer than is sensible, and says in our words what the platform throws. */
export async function reach<T>(asked: Promise<T>, deadlineMs = OBJECT_DEADLINE_MS): Promise<T> {
  try {
    return await within(deadlineMs, asked, late);
  } catch (thrown) {
    throw objectFailure(thrown);
  }
}

const late = () =>
  new Failure(
    'deadline_exceeded',
    'the channel object did not answer in time; it may have done it: look first',
    {
      execution: 'may_have_executed',
    },
  );

export function unwrap<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw Failure.fromWire(answer.error, answer.headers);
}

/**
 * What the platform throws instead of an object's answer. `overloaded` must not be retried at once; everything
 * else (a reset by a deploy, a crash) leaves open how far it got.
 * https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
 */
export function objectFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (thrown instanceof Error && 'overloaded' in thrown && thrown.overloaded === true) {
    return new Failure('overloaded', 'too much is asked of this orchestrator at once; try again', {
      retryAfterMs: 1_000,
      execution: 'not_started',
      cause: thrown,
    });
  }
  return objectLost(thrown);
}

/** The object is gone, or says nothing of a call that it has begun with. */
export const objectLost = (cause?: unknown): Failure =>
  new Failure(
    'orchestrator_lost',
    'the edge lost its channel object in mid-call; look before you repeat it',
    { execution: 'may_have_executed', cause },
  );
