import type { Clock } from '../clock.ts';

/**
 * How long a call may be quiet: up to the head of its answer its deadline, then what any stream may. One timer, set
 * anew when it fires, so that a piece of a body only notes when it moved.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #limitMs: number;
  #movedAt: number;
  #cancel: () => void;

  constructor(clock: Clock, limitMs: number, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
    this.#limitMs = limitMs;
    this.#movedAt = clock.monotonic();
    this.#cancel = clock.after(limitMs, () => this.#look());
  }

  moved(): void {
    this.#movedAt = this.#clock.monotonic();
  }

  /** From now on another limit, and not a shorter one: it is looked at when the former has passed. */
  extend(limitMs: number): void {
    this.#limitMs = limitMs;
    this.moved();
  }

  end(): void {
    this.#cancel();
  }

  #look(): void {
    const leftMs = this.#limitMs - (this.#clock.monotonic() - this.#movedAt);
    if (leftMs > 0) this.#cancel = this.#clock.after(Math.ceil(leftMs), () => this.#look());
    else this.#expired();
  }
}
