import type { Outcomes } from '@clawdbot/protocol';
import type { Tally } from '../calls/index.ts';

type Counts = Pick<Tally, 'version' | 'before' | 'others'>;

const NONE: Outcomes = { answered: 0, failed: 0, apart: 0 };

const plus = (one: Outcomes, other: Outcomes): Outcomes => ({
  answered: one.answered + other.answered,
  failed: one.failed + other.failed,
  apart: one.apart + other.apart,
});

const isNothing = ({ version, before, others }: Counts): boolean => {
  const { answered, failed, apart } = plus(version, plus(before, others));
  return answered + failed + apart === 0;
};

/**
 * What all lanes have counted since one window was first asked for. An object that has slept or was moved begins its count
 * anew: what was last seen of the one before still counts.
 */
export class TallySum {
  /** Of each lane the latest. */
  readonly #tallies = new Map<number, Tally>();
  #before: Counts = { version: NONE, before: NONE, others: NONE };
  #lost = 0;

  get isEmpty(): boolean {
    return this.#tallies.size === 0;
  }

  /** How often a count was lost that had something. */
  get lost(): number {
    return this.#lost;
  }

  add(lane: number, tally: Tally): void {
    const known = this.#tallies.get(lane);
    if (known !== undefined && known.since !== tally.since && !isNothing(known)) this.#keep(known);
    this.#tallies.set(lane, tally);
  }

  of(which: keyof Counts): Outcomes {
    return [...this.#tallies.values()].reduce((sum, tally) => plus(sum, tally[which]), this.#before[which]);
  }

  #keep(known: Tally): void {
    const { version, before, others } = this.#before;
    this.#before = {
      version: plus(version, known.version),
      before: plus(before, known.before),
      others: plus(others, known.others),
    };
    this.#lost++;
  }
}
