/** Where one lane's channel stands. Times are milliseconds since the epoch. */
export type LinkState =
  /** Dialling. */
  | { readonly kind: 'connecting'; readonly since: number }
  /** The socket is open, `hello` is sent, `welcome` is awaited. */
  | { readonly kind: 'greeting'; readonly since: number }
  | { readonly kind: 'open'; readonly since: number; readonly fence: number; readonly sessionId: string }
  /** The edge asked for the next session, and goes on with this one; a new socket is dialled at `redialAt`. */
  | {
      readonly kind: 'draining';
      readonly since: number;
      readonly fence: number;
      readonly sessionId: string;
      readonly reason: string;
      readonly redialAt: number;
    }
  /** Between two dials. */
  | { readonly kind: 'waiting'; readonly since: number; readonly retryAt: number; readonly reason: string }
  /** A fatal end: nothing is dialled any more, until an operator acts and restarts the process. */
  | { readonly kind: 'refused'; readonly since: number; readonly reason: string }
  /** This process is stopping, or has not begun. */
  | { readonly kind: 'stopped'; readonly since: number };

/** A value that tells its subscribers of each change, in the order they came. */
export class Observable<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const listener of this.#listeners) listener(value);
  }

  /** @returns the function that ends the subscription */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
