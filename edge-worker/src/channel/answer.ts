import { Failure } from '@clawdbot/protocol';
import type { Answer } from './rpc.ts';

function failed(failure: Failure): Answer<never> {
  const { headers } = failure.details;
  return { ok: false, error: failure.toWire(), ...(headers === undefined ? {} : { headers }) };
}

/** Runs an RPC method's work; a `Failure` becomes a value, anything else is a bug and stays one. */
export async function answer<T>(work: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (error instanceof Failure) return failed(error);
    throw error;
  }
}
