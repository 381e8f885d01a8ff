import type { LaneTally, Tally } from '../calls/index.ts';
import { TallySum } from './tally-sum.ts';
import {
  allowance,
  allowanceBeside,
  type Counted,
  isComparable,
  isEnough,
  isWorse,
  requestsMin,
  sumOf,
} from './verdict.ts';

/** The count may begin with the first look, which is no news. */
const LATE_MS = 2_000;

/** What the version before had at a percentage at which it had enough to be compared with. */
export interface Compared extends Counted {
  readonly percentage: number;
}

export interface RelayedOptions {
  /** Asks the edge: one count for this command at this percentage, whichever process asks. */
  readonly ask: () => Promise<readonly LaneTally[]>;
  /** When the version got its traffic. */
  readonly since: number;
  readonly percentage: number;
  /** The version before has the rest of the traffic. */
  readonly hasBefore: boolean;
  /** Of a percentage before. */
  readonly earlier: Compared | undefined;
  readonly now: () => number;
}

/**
 * The site's relayed requests while a version bakes, as the edge counts them. The edge's counts are in memory: one that
 * was lost goes on from where it was last seen, and what was missed is said.
 */
export class Relayed {
  readonly #options: RelayedOptions;
  readonly #sum = new TallySum();
  #lateMs: number | undefined;
  #looks = 0;
  #unanswered = 0;

  constructor(options: RelayedOptions) {
    this.#options = options;
  }

  /** Never rejects: an edge that cannot be asked is told of, and the probes go on alone. */
  async look(): Promise<void> {
    const tallies = await this.#options.ask();
    this.#looks++;
    if (tallies.length === 0 || tallies.some(({ tally }) => tally === undefined)) this.#unanswered++;
    for (const { lane, tally } of tallies) if (tally !== undefined) this.#heard(lane, tally);
  }

  /** Why the version is to be undone, as the beginning of a sentence; undefined while nothing speaks for that. */
  complaint(borne: number): string | undefined {
    const version = this.#sum.of('version');
    if (sumOf(version) < this.#least) return undefined;
    const comparisons = this.#comparisons();
    const isBad = comparisons.every(({ counted }) => isWorse(version, counted, borne));
    if (!isBad || !isWorse(version, undefined, borne)) return undefined;
    // Requests of the version before will come: until then an upstream that fails for all looks the same.
    if (comparisons.length === 0 && this.#options.hasBefore) return undefined;
    const isAlone = comparisons.length === 0;
    const than = isAlone ? 'there is nothing to compare with' : wordsOf(comparisons);
    const may = isAlone ? allowance(borne) : allowanceBeside(borne);
    const failed = `${version.failed} of ${sumOf(version)} relayed requests of the new version failed`;
    return [`${failed} (${than}), and ${may}`, ...this.#gaps()].join('; ');
  }

  /** What was counted, for the deployment's history. */
  get summary(): string {
    if (this.#sum.isEmpty) return 'the edge could not be asked: the probes alone decided';
    return [this.#counted(), ...this.#gaps()].join('; ');
  }

  /** What a later percentage, at which nobody has the version before, may be compared with. */
  get compared(): Compared | undefined {
    const { percentage, earlier } = this.#options;
    const { answered, failed } = this.#sum.of('before');
    return isEnough({ answered, failed }) ? { percentage, answered, failed } : earlier;
  }

  get #least(): number {
    return requestsMin(this.#sum.of('before'));
  }

  #heard(lane: number, tally: Tally): void {
    const { now, since } = this.#options;
    const lateMs = now() - since - (tally.at - tally.since);
    this.#lateMs = Math.min(this.#lateMs ?? lateMs, lateMs);
    this.#sum.add(lane, tally);
  }

  /**
   * Best is the version before in the same time. Without that the new one must be worse than all that there is: the site's
   * other requests, which show what fails for all, and that version when it last had traffic, which shows what always fails.
   */
  #comparisons(): Comparison[] {
    const [before, others, { earlier }] = [this.#sum.of('before'), this.#sum.of('others'), this.#options];
    if (isComparable(before)) return [{ name: 'the version before', counted: before }];
    return [
      ...(isComparable(others) ? [{ name: 'the site’s other requests', counted: others }] : []),
      ...(earlier === undefined
        ? []
        : [{ name: `the version before, at ${earlier.percentage} %`, counted: earlier }]),
    ];
  }

  #counted(): string {
    const [version, before, others] = [
      this.#sum.of('version'),
      this.#sum.of('before'),
      this.#sum.of('others'),
    ];
    const total = sumOf(version) + sumOf(before) + sumOf(others);
    if (sumOf(version) === 0)
      return total === 0 ? 'no relayed requests' : `none of ${total} relayed requests names this version`;
    const comparisons = this.#comparisons();
    const than = comparisons.length === 0 ? '' : ` (${wordsOf(comparisons)})`;
    const few = sumOf(version) >= this.#least ? '' : `, fewer than the ${this.#least} that are judged by`;
    const apart = version.apart === 0 ? '' : `, ${version.apart} more say nothing of it`;
    return `${sumOf(version)} relayed requests, ${version.failed} failed${than}${few}${apart}`;
  }

  #gaps(): string[] {
    const { lost } = this.#sum;
    const lateMs = this.#lateMs ?? 0;
    return [
      ...(lateMs > LATE_MS ? [`counted from ${Math.round(lateMs / 1_000)} s after it had its traffic`] : []),
      ...(lost > 0
        ? [`the edge lost its count ${lost === 1 ? 'once' : `${lost} times`}, and began anew`]
        : []),
      ...(this.#unanswered > 0
        ? [`the edge could not be asked at ${this.#unanswered} of ${this.#looks} looks`]
        : []),
    ];
  }
}

interface Comparison {
  readonly name: string;
  readonly counted: Counted;
}

const wordsOf = (comparisons: readonly Comparison[]): string =>
  comparisons.map(({ name, counted }) => `${name}: ${counted.failed} of ${sumOf(counted)}`).join(', ');
