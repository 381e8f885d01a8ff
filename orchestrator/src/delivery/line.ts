import type { Delivery, DeliveryTable, LineKey } from './table.ts';

/** First attempts of one route that go on at once. */
const FIRST_ATTEMPTS_MAX = 16;
/** With more than so many before it a customer waits in vain more often than not. */
const QUEUE_WORTH_WAITING = 4 * FIRST_ATTEMPTS_MAX;

export interface Next {
  readonly start: readonly Delivery[];
  /** The next one that is to be tried again is due then. */
  readonly waitUntil?: number;
}

/** A place in the order in which a route's requests are sent, however long each of them takes to be pulled. */
export interface Turn {
  readonly before: Promise<void>;
  /** Safe to repeat. */
  readonly pass: () => void;
}

/**
 * The stored requests of one route, in their order: up to 16 first attempts at once, and from the first failure on one
 * at a time, those that have failed before all others, until none of them is left. One that
 * was only refused is tried again beside the others: whoever may send could hold up all that comes behind otherwise.
 */
export class Line {
  readonly key: LineKey;
  readonly #table: DeliveryTable;
  readonly #running = new Set<number>();
  /** A retry has got through, and nothing has failed since: what else waits for a retry need not wait longer. */
  #proven = false;
  #cancelTimer: () => void = () => {};
  /** Resolves when the attempt that was begun last has been sent, or has ended. */
  #lastSent: Promise<void> = Promise.resolve();

  constructor(key: LineKey, table: DeliveryTable) {
    this.key = key;
    this.#table = table;
  }

  next(now: number): Next {
    if (this.#running.size >= FIRST_ATTEMPTS_MAX) return { start: [] };
    const failed = this.#table.failed(this.key);
    if (failed === undefined) return this.#freely(now);
    if (this.#running.size > 0) return { start: [] };
    return this.#proven || failed.nextAt <= now
      ? { start: [failed] }
      : { start: [], waitUntil: failed.nextAt };
  }

  #freely(now: number): Next {
    const refused = this.#table
      .refused(this.key, FIRST_ATTEMPTS_MAX)
      .filter(({ n }) => !this.#running.has(n));
    const due = refused.filter(({ nextAt }) => nextAt <= now);
    const later = refused.find(({ nextAt }) => nextAt > now);
    const start = [...this.#first(), ...due].slice(0, FIRST_ATTEMPTS_MAX - this.#running.size);
    return { start, ...(later === undefined ? {} : { waitUntil: later.nextAt }) };
  }

  #first(): Delivery[] {
    return this.#table.untried(this.key, FIRST_ATTEMPTS_MAX).filter(({ n }) => !this.#running.has(n));
  }

  /** Does what comes last wait for longer than a customer does? */
  get isBacklog(): boolean {
    if (this.#table.failed(this.key) !== undefined) return true;
    return this.#table.untried(this.key, QUEUE_WORTH_WAITING + 1).length > QUEUE_WORTH_WAITING;
  }

  /** Those that wait their turn behind one that has just failed, as far as a customer may wait for them. */
  heldBack(): Delivery[] {
    return this.#table.untried(this.key, QUEUE_WORTH_WAITING).filter(({ n }) => !this.#running.has(n));
  }

  /** @returns its turn: it waits for those before it, and lets go of those behind it */
  started({ n }: Delivery): Turn {
    this.#running.add(n);
    const before = this.#lastSent;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastSent = promise;
    return { before, pass: resolve };
  }

  /** Its end is written down. @param through undefined when it was not tried */
  ended({ n, attempts }: Delivery, through: boolean | undefined): void {
    this.#running.delete(n);
    if (through === false) this.#proven = false;
    else if (through === true && attempts > 0) this.#proven = true;
  }

  /** @param cancel ends the timer that is set */
  waits(cancel: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = cancel;
  }
}
