/** Of so many, so many have it. */
export interface Part {
  readonly all: number;
  readonly having: number;
}

/**
 * Whether chance brings so many or more to `one` less often than `bound`, if what both parts have was dealt to them
 * blindly: the upper tail of the hypergeometric distribution (Fisher's exact test, one-sided). Exact for small numbers, where
 * a normal approximation takes one of one for a proof.
 * @param one has the greater share of the two
 * @param bound a probability, 0 to 1
 */
export function isBeyondChance(one: Part, other: Part, bound: number): boolean {
  const all = one.all + other.all;
  const having = one.having + other.having;
  const most = Math.min(one.all, having);
  const first = lnChoices(one.all, one.having) + lnChoices(other.all, other.having) - lnChoices(all, having);
  let [term, tail] = [Math.exp(first), 0];
  for (let k = one.having; k <= most && tail < bound && term > tail * NEGLIGIBLE; k++) {
    tail += term;
    // From k to k + 1 of them.
    term *= ((one.all - k) / (k + 1)) * ((having - k) / (other.all - having + k + 1));
  }
  return tail < bound;
}

/** Above the mean the terms fall ever faster: behind one so small nothing more comes that counts. */
const NEGLIGIBLE = 1e-9;

const lnChoices = (n: number, k: number): number => lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k);

/** Stirling's series, which from 16 on is exact to nine digits. */
function lnFactorial(n: number): number {
  if (n >= 16) return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n) - 1 / (360 * n ** 3);
  let product = 1;
  for (let factor = 2; factor <= n; factor++) product *= factor;
  return Math.log(product);
}
