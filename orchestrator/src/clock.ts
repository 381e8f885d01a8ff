import type { Defer } from '@clawdbot/protocol';

/** Time as an argument. A timer belongs to whoever holds its cancel function. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds with their fractions, from no fixed point: measures what `now`, which may be set, cannot. */
  monotonic(): number;
  /** Runs `task` once after `ms`. @returns the function that cancels it; harmless when called late */
  after(ms: number, task: () => void): () => void;
  /** Runs `task` after the events of this turn. */
  readonly defer: Defer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  defer: (task) => {
    setImmediate(task);
  },
};

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    if (signal.aborted) return done();
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Runs `work` under a signal that is aborted with `late` after `ms`, or with the outer one. */
export async function withDeadline<T>(
  { clock, ms, signal, late }: { clock: Clock; ms: number; signal: AbortSignal; late: () => Error },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const cancel = clock.after(ms, () => deadline.abort(late()));
  try {
    return await work(AbortSignal.any([signal, deadline.signal]));
  } finally {
    cancel();
  }
}
