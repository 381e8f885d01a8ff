import type { MiddlewareHandler } from 'hono';

/** More than a token may make in an hour. */
const CALLS_KEPT = 20_000;

/** A call with a valid token, refused for its number or not: what a budget is spent on. */
export interface Call {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
}

/** The latest calls, oldest first: `GET /_calls` beside the API, for benchmarks. In memory only. */
export class Calls {
  readonly #now: () => number;
  #calls: Call[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  get list(): readonly Call[] {
    return this.#calls;
  }

  readonly note: MiddlewareHandler = (c, next) => {
    this.#calls.push({ at: this.#now(), method: c.req.method, path: c.req.path });
    // Half of them at once, so that not each call moves all of them.
    if (this.#calls.length > CALLS_KEPT) this.#calls = this.#calls.slice(-CALLS_KEPT / 2);
    return next();
  };
}
