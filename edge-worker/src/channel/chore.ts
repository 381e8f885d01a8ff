import type { ChoreName, Meta } from './store.ts';

export interface ChoreOptions {
  readonly name: ChoreName;
  /** Does all that there is to do; rejects when it cannot go on now. */
  readonly work: () => Promise<void>;
  /** Failures outlive the instance that had them: a waiting object is put to sleep between two attempts. */
  readonly meta: Meta;
  readonly now: () => number;
  /** Keeps the object until the task has ended. */
  readonly background: (task: Promise<unknown>) => void;
  /** Has `resume` called at that time or before it. */
  readonly wakeAt: (at: number) => Promise<void>;
}

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

/**
 * Work between the object and D1 that nobody waits for: one run at a time, tried again with backoff when it fails.
 * Other events interleave while a run waits for D1.
 */
export class Chore {
  readonly #options: ChoreOptions;
  #running = false;
  #again = false;

  constructor(options: ChoreOptions) {
    this.#options = options;
  }

  /** There may be something to do. After a failure it is not tried before its time. */
  start(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    this.#options.background(this.#run());
  }

  /** The alarm rang. */
  resume(): void {
    if (this.#retryAt > 0) this.start();
  }

  async #run(): Promise<void> {
    const { now, wakeAt } = this.#options;
    try {
      while (this.#again && this.#retryAt <= now()) {
        this.#again = false;
        await this.#attempt();
      }
      if (this.#retryAt > 0) await wakeAt(this.#retryAt);
    } finally {
      this.#running = false;
    }
  }

  async #attempt(): Promise<void> {
    const { work, meta, name, now } = this.#options;
    try {
      await work();
      if (this.#retryAt === 0) return;
      meta.set(`${name}_failures`, 0);
      meta.set(`${name}_retry_at`, 0);
    } catch (error) {
      const failures = meta.add(`${name}_failures`, 1);
      meta.set(`${name}_retry_at`, now() + Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MS_MAX));
      console.warn(`${name} cannot go on now, after ${failures} failures in a row`, error);
    }
  }

  /** 0 when nothing is wrong. */
  get #retryAt(): number {
    const { meta, name } = this.#options;
    return meta.number(`${name}_retry_at`);
  }
}
