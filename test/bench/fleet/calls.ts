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

/** How many calls named each Worker. */
export function callsByWorker(calls: readonly Pick<Call, 'path'>[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of calls) {
    const name = /\/workers\/(?:scripts|workers)\/([^/]+)/.exec(path)?.[1];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
