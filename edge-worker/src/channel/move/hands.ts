/** What the orchestrator was given so lately that it may be on its way to an upstream. */
const GIVEN_MS = 130_000;
/** More than 16 of each of a few hundred routes: beyond it the oldest are not waited for. */
const GIVEN_MAX = 4_096;

/**
 * Stored requests whose content the orchestrator has in hand: given to it, and not told of since. In memory, since it
 * only says for whom a move waits a moment: what is repeated all the same carries its key.
 */
export class Hands {
  readonly #now: () => number;
  readonly #given = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  give(receiptId: string): void {
    this.#given.delete(receiptId);
    this.#given.set(receiptId, this.#now());
    const [oldest] = this.#given.size > GIVEN_MAX ? this.#given.keys() : [];
    if (oldest !== undefined) this.#given.delete(oldest);
  }

  /** It was told what became of it. */
  back(receiptId: string): void {
    this.#given.delete(receiptId);
  }

  get all(): string[] {
    const since = this.#now() - GIVEN_MS;
    return [...this.#given].flatMap(([receiptId, at]) => (at >= since ? [receiptId] : []));
  }
}
