import type { Call } from '../../sandbox/cloudflare/api/calls.ts';

/** The most calls in any window of this length. @param calls in their order */
export function mostWithin(calls: readonly Pick<Call, 'at'>[], windowMs: number): number {
  let [first, most] = [0, 0];
  calls.forEach(({ at }, last) => {
    while ((calls[first]?.at ?? at) <= at - windowMs) first++;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/**
 * How many calls each Worker's first deployment took: all that name it, up to its last write. What only reads behind that
 * is a look whether somebody has changed the Worker.
 */
export function callsByWorker(calls: readonly Pick<Call, 'method' | 'path'>[]): Map<string, number> {
  const seen = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const { method, path } of calls) {
    const name = /\/workers\/(?:scripts|workers)\/([^/]+)/.exec(path)?.[1];
    if (name === undefined) continue;
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    if (method !== 'GET') counts.set(name, n);
  }
  return counts;
}
