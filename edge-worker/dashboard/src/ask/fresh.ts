/** What was asked of the edge, as far as it is known. */
export type Fetched<T> =
  | { readonly state: 'loading' }
  /** `at` in milliseconds since the epoch. `trouble`: why it could not be had again since. */
  | { readonly state: 'here'; readonly value: T; readonly at: number; readonly trouble?: string }
  | { readonly state: 'failed'; readonly why: string };

export interface FreshPorts {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs a task once, later. @returns what cancels it */
  after(ms: number, task: () => void): () => void;
  /** Whether nobody looks at the page: nothing is asked meanwhile. */
  hidden(): boolean;
}

/** However much happens, the edge is not asked more often. */
const REST_MS = 2_000;
const HIDDEN_MS = 1_000;

/**
 * Something of the API, kept fresh: asked at the beginning, every so often, and again when there is news of it; one
 * question at a time. What is known stays while it cannot be asked.
 */
export class Fresh<T> {
  readonly #load: () => Promise<T>;
  readonly #everyMs: number;
  readonly #ports: FreshPorts;
  readonly #listeners = new Set<() => void>();
  #view: Fetched<T> = { state: 'loading' };
  #askedAt = -Infinity;
  #dueAt = Infinity;
  #cancel = () => {};
  /** Counts starts and ends: an answer to a question of before its end is nobody's. */
  #spell = 0;
  #asking = false;

  constructor(load: () => Promise<T>, everyMs: number, ports: FreshPorts) {
    this.#load = load;
    this.#everyMs = everyMs;
    this.#ports = ports;
  }

  /** The same object until something changes, as `useSyncExternalStore` wants it. */
  readonly view = (): Fetched<T> => this.#view;

  /** @returns how to unsubscribe */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#spell += 1;
    this.#asking = false;
    void this.#ask();
  }

  stop(): void {
    this.#spell += 1;
    this.#cancel();
  }

  /** Asks again, soon. */
  readonly again = (): void => {
    this.#askBy(Math.max(this.#ports.now(), this.#askedAt + REST_MS));
  };

  #askBy(at: number): void {
    // The question that is open comes first; then the next one's time is known.
    this.#dueAt = Math.min(this.#dueAt, at);
    if (this.#asking) return;
    this.#cancel();
    this.#cancel = this.#ports.after(this.#dueAt - this.#ports.now(), () => void this.#ask());
  }

  async #ask(): Promise<void> {
    const { now, after, hidden } = this.#ports;
    this.#cancel();
    if (hidden()) {
      this.#cancel = after(HIDDEN_MS, () => void this.#ask());
      return;
    }
    const spell = this.#spell;
    this.#askedAt = now();
    this.#dueAt = this.#askedAt + this.#everyMs;
    this.#asking = true;
    const view = await this.#answer();
    if (spell !== this.#spell) return;
    this.#asking = false;
    this.#show(view);
    this.#askBy(this.#dueAt);
  }

  async #answer(): Promise<Fetched<T>> {
    try {
      return { state: 'here', value: await this.#load(), at: this.#ports.now() };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return this.#view.state === 'here' ? { ...this.#view, trouble: why } : { state: 'failed', why };
    }
  }

  #show(view: Fetched<T>): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}
