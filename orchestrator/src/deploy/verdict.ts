import type { Outcomes } from '@clawdbot/protocol';
import { isBeyondChance, type Part } from './chance.ts';

/** Requests that say something: those set apart do not. */
export type Counted = Pick<Outcomes, 'answered' | 'failed'>;

/** Fewer requests of a version say nothing of a share … */
const REQUESTS_MIN = 20;
/** … unless the version before had that many in the same time: then chance is known, and a handful that nearly all fail is enough. */
const REQUESTS_BESIDE_MIN = 5;
/** Fewer failures are no news: two bad requests of visitors in a row … */
const FAILED_MIN = 3;
/** … and fewer than these are no comparison: with so few, only what nearly always fails differs by more than chance. */
const COMPARED_MIN = 5;
/** A difference that chance brings once in so many looks is none of chance: a long bake has thousands. */
const CHANCE = 1 / 30_000;

export const sumOf = ({ answered, failed }: Counted): number => answered + failed;
export const isEnough = (counted: Counted): boolean => sumOf(counted) >= REQUESTS_MIN;
export const isComparable = (counted: Counted): boolean => sumOf(counted) >= COMPARED_MIN;

/** How many requests a version is judged by, beside the version before in the same time. */
export const requestsMin = (before: Counted): number =>
  isEnough(before) ? REQUESTS_BESIDE_MIN : REQUESTS_MIN;

/**
 * Whether more of the version's requests failed than is borne: beyond the share of those that it is compared with, so that
 * what fails for all is not its fault, and beyond chance. Without a comparison its share alone counts. Whether there are
 * enough of them, `requestsMin` says.
 * @param borne a share, 0 to 1
 */
export function isWorse(version: Counted, other: Counted | undefined, borne: number): boolean {
  if (version.failed < FAILED_MIN) return false;
  if (other === undefined) return shareOf(version) > borne;
  const more = shareOf(version) - shareOf(other);
  return more > 0 && more > borne && isBeyondChance(partOf(version), partOf(other), CHANCE);
}

/**
 * How much of something may fail, as the end of a sentence: `none may fail`, `at most 25 % may fail`.
 * @param share of all, 0 to 1
 */
export const allowance = (share: number): string =>
  share === 0 ? 'none may fail' : `at most ${percentOf(share)} % may fail`;

/** … beside those of a version that it is compared with. */
export const allowanceBeside = (share: number): string =>
  share === 0 ? 'no larger share may fail' : `at most ${percentOf(share)} % more may fail`;

/** Without the tail that binary fractions have: 0.07 is 7.000000000000001 % otherwise. */
const percentOf = (share: number): number => Number((share * 100).toPrecision(6));

const shareOf = (counted: Counted): number => counted.failed / sumOf(counted);
const partOf = (counted: Counted): Part => ({ all: sumOf(counted), having: counted.failed });
