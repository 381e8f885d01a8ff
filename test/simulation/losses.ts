/** What was lost beyond repair in a run, by a restored or an empty database: the judge must not ask for it. */
export class Losses {
  /** Events that the edge or D1 had when the VPS lost its own. */
  readonly events: string[] = [];
  #vps = false;
  /** Commands that were taken behind this one's time and before that one's are unknown. */
  #edge: { from: number; to: number } | undefined;

  vps(events: readonly string[]): void {
    this.#vps = true;
    this.events.push(...events);
  }

  object(from: number, to: number): void {
    this.#edge = { from: Math.min(from, this.#edge?.from ?? from), to };
  }

  get any(): boolean {
    return this.#vps || this.edge;
  }

  get edge(): boolean {
    return this.#edge !== undefined;
  }

  /** Was a command that was taken at this time forgotten by the edge's object? */
  forgets(at: number | undefined): boolean {
    return this.#edge !== undefined && at !== undefined && at >= this.#edge.from && at <= this.#edge.to;
  }
}
