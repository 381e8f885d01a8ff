const SHORTEST_MS = 500;
const LONGEST_MS = 10_000;

/**
 * How long to wait after so many failures in a row. The range doubles each time and the wait lies anywhere in it
 * (full jitter), so that the pages of an edge that restarts do not all come back at once.
 *
 * @param failures from 1
 * @param random from 0 to 1
 */
export function retryDelayMs(failures: number, random: number): number {
  const longest = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** failures);
  return Math.round(SHORTEST_MS + random * (longest - SHORTEST_MS));
}
