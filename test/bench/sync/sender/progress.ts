import { STALLED_MS } from './contract.ts';

/** A position that moves on, and whoever waits for it. */
export class Progress {
  #position = 0;
  #waits: { readonly position: number; readonly reached: () => void }[] = [];

  get position(): number {
    return this.#position;
  }

  moveTo(position: number): void {
    this.#position = Math.max(position, this.#position);
    const due = this.#waits.filter((wait) => wait.position <= this.#position);
    if (due.length === 0) return;
    this.#waits = this.#waits.filter((wait) => wait.position > this.#position);
    for (const { reached } of due) reached();
  }

  /** Rejects when it is not reached in time. */
  reaches(position: number): Promise<void> {
    if (position <= this.#position) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`stuck at ${this.#position} on the way to ${position}`));
      const timer = setTimeout(late, STALLED_MS);
      const reached = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#waits.push({ position, reached });
    });
  }
}
