import type { Clock } from './clock.ts';

interface Timer {
  readonly at: number;
  readonly task: () => void;
}

/** A clock that only a test moves: what is deferred runs on `flush`, what waits on `pass`. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #timers: Timer[] = [];
  #deferred: (() => void)[] = [];

  readonly now = (): number => this.#now;
  readonly monotonic = this.now;

  readonly after = (ms: number, task: () => void): (() => void) => {
    const timer = { at: this.#now + ms, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  readonly defer = (task: () => void): void => {
    this.#deferred.push(task);
  };

  /** Timers that nobody has cancelled. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Runs what was deferred, and what that defers in turn. */
  flush(): void {
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) task();
  }

  /** Lets time go by, timer after timer. */
  pass(ms: number): void {
    const end = this.#now + ms;
    this.flush();
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#now = next.at;
      this.#timers = this.#timers.filter((other) => other !== next);
      next.task();
      this.flush();
    }
    this.#now = end;
  }

  #due(end: number): Timer | undefined {
    return this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}
