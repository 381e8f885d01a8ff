import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MS = 50;
const WITHIN_MS = 15_000;

/** Asks until the answer holds, and returns it; a wait that expires fails with the last answer. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  withinMs = WITHIN_MS,
): Promise<T> {
  const end = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const answer = await ask();
      if (holds(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await delay(EVERY_MS);
  }
  const seen = last instanceof Error ? String(last) : JSON.stringify(last);
  throw new Error(`${what}: not within ${withinMs} ms; last: ${seen?.slice(0, 1_000)}`);
}

/** Milliseconds that something took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
