import type { Clock } from '../clock.ts';

/** Between two statuses: each names every site, and so costs the more the more there are to change. */
export const STATUS_INTERVAL_MS = 250;

/** When a status is sent: a turn after the first change, and then of all that changes the newest, now and then. */
export class StatusPace {
  readonly #clock: Clock;
  readonly #send: () => void;
  #sentAt = -Infinity;
  #due = false;
  #cancel: () => void = () => {};

  constructor(clock: Clock, send: () => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Something in the status has changed. Safe inside a transaction. */
  note(): void {
    if (this.#due) return;
    this.#due = true;
    const wait = this.#sentAt + STATUS_INTERVAL_MS - this.#clock.monotonic();
    if (wait > 0) this.#cancel = this.#clock.after(wait, () => this.#tell());
    else this.#clock.defer(() => this.#tell());
  }

  stop(): void {
    this.#due = true;
    this.#cancel();
  }

  #tell(): void {
    this.#due = false;
    this.#sentAt = this.#clock.monotonic();
    this.#send();
  }
}
