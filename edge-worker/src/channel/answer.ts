import { Failure, type HeaderList, type WireError } from '@clawdbot/protocol';

/**
 * A result that crosses an RPC boundary: workerd rebuilds a thrown error as a bare `Error`, so a failure that
 * its caller must tell apart is a value.
 */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError; readonly headers?: HeaderList };

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
