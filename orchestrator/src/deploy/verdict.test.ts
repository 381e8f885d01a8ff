import { describe, expect, it } from 'vitest';
import { isWorse } from './verdict.ts';

/** So many requests, of which so many failed. */
const of = (requests: number, failed: number) => ({ answered: requests - failed, failed });

describe('a version’s relayed requests', () => {
  it.each([
    ['two failures are not counted against it', of(20, 2), of(2_000, 0), 0, false],
    ['are worse when many more of them fail', of(310, 42), of(2_800, 2), 0.01, true],
    ['that fail as the others do are not worse', of(310, 155), of(2_800, 1_400), 0, false],
    ['that all fail, as all others do, are not worse', of(100, 100), of(900, 900), 0, false],
    ['a difference within what is borne is borne', of(1_000, 140), of(9_000, 900), 0.05, false],
    ['a difference beyond it is not', of(1_000, 200), of(9_000, 900), 0.05, true],
    ['a difference that may be chance is none', of(100, 3), of(900, 9), 0, false],
    ['little to compare with needs a clear difference', of(20, 6), of(20, 1), 0, false],
    ['… and has it', of(20, 12), of(20, 0), 0, true],
    ['few that all fail are worse than as few as 20 that do not', of(5, 5), of(20, 0), 0, true],
    ['… and of seven three that fail are not', of(7, 3), of(20, 0), 0, false],
    ['few that all fail as one in three does are not', of(5, 5), of(60, 20), 0, false],
    ['alone are judged by their share', of(20, 6), undefined, 0.25, true],
    ['alone have what is borne', of(20, 5), undefined, 0.25, false],
  ])('%s', (_what, version, other, borne, expected) => {
    expect(isWorse(version, other, borne)).toBe(expected);
  });
});
