import type { Outcomes } from '@clawdbot/protocol';

/** Requests that say something: those set apart do not. */
export type Counted = Pick<Outcomes, 'answered' | 'failed'>;

/** Fewer requests of a version say nothing of a share … */
export const REQUESTS_MIN = 20;
/** … nor do fewer failures: two bad requests of visitors in a row are no news … */
const FAILED_MIN = 3;
/** … and fewer than these are no comparison: with so few, only what nearly always fails differs by more than chance. */
const COMPARED_MIN = 5;
/** A difference that chance brings once in 30,000 looks: a long bake has thousands. */
const DEVIATIONS = 4;

export const sumOf = ({ answered, failed }: Counted): number => answered + failed;
export const isEnough = (counted: Counted): boolean => sumOf(counted) >= REQUESTS_MIN;
export const isComparable = (counted: Counted): boolean => sumOf(counted) >= COMPARED_MIN;

/**
 * Whether more of the version's requests failed than is borne: beyond the share of those that it is compared with, so that
 * what fails for all is not its fault, and beyond chance (the test of two proportions). Without a comparison its share
 * alone counts.
 * @param borne a share, 0 to 1
 */
export function isWorse(version: Counted, other: Counted | undefined, borne: number): boolean {
  if (!isEnough(version) || version.failed < FAILED_MIN) return false;
  if (other === undefined) return shareOf(version) > borne;
  const more = shareOf(version) - shareOf(other);
  return more > borne && more > DEVIATIONS * deviation(version, other);
}

const shareOf = (counted: Counted): number => counted.failed / sumOf(counted);

/** Of the difference between two shares, if both were the same but for chance. */
function deviation(one: Counted, other: Counted): number {
  const [n, m] = [sumOf(one), sumOf(other)];
  const share = (one.failed + other.failed) / (n + m);
  return Math.sqrt(share * (1 - share) * (1 / n + 1 / m));
}
