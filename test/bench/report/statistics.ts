/** A quantity over several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The value below which the share `at` (0 to 1) of `sorted` lies, by the nearest rank: always one that was
 * measured. NaN of nothing.
 */
export function percentile(sorted: ArrayLike<number>, at: number): number {
  const rank = Math.max(1, Math.ceil(sorted.length * at));
  return sorted[rank - 1] ?? Number.NaN;
}

/** The middle value, of an even number the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  const lower = sorted[Math.ceil(half) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/**
 * Ratios of what was measured in the same round, so that noise which slows a whole round cancels out: the
 * ratio of two medians would mix a quiet round of one path with a noisy one of the other.
 */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  if (values.length !== base.length) throw new RangeError(`${values.length} rounds against ${base.length}`);
  return values.map((value, round) => value / (base[round] ?? Number.NaN));
}
