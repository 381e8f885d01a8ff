import type { Failure } from '@clawdbot/protocol';

/** Waits for `task` at most `ms` milliseconds, then rejects with `late()`. What `task` does after that is lost. */
export async function within<T>(ms: number, task: Promise<T>, late: () => Failure): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  try {
    return await Promise.race([task, promise]);
  } finally {
    clearTimeout(timer);
  }
}
