const KEY = '_ae_outbox';
const LEADS_MAX = 20;
const AGE_MS_MAX = 7 * 24 * 3_600_000;

/** A lead as it is sent, word by word the same each time. */
export interface Kept {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly body: string;
}

/** What a visitor sent and the site does not have yet. It outlives the page: `localStorage`, or memory without it. */
export class Outbox {
  #memory: readonly Kept[] = [];

  /** Oldest first. */
  all(): readonly Kept[] {
    const oldest = Date.now() - AGE_MS_MAX;
    return this.#read().filter(({ at }) => at > oldest);
  }

  /** The oldest go when there are too many. */
  add(lead: Kept): void {
    this.#write([...this.all(), lead].slice(-LEADS_MAX));
  }

  remove(id: string): void {
    this.#write(this.all().filter((kept) => kept.id !== id));
  }

  #read(): readonly Kept[] {
    try {
      return JSON.parse(localStorage.getItem(KEY) ?? '[]');
    } catch {
      return this.#memory;
    }
  }

  #write(leads: readonly Kept[]): void {
    this.#memory = leads;
    try {
      localStorage.setItem(KEY, JSON.stringify(leads));
    } catch {
      // Full, or forbidden: this page still has them.
    }
  }
}
