import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const delivery = z.object({
  /** The `Idempotency-Key` it came with; null when a customer posted here directly. */
  receiptId: z.string().nullable(),
  /** The URL's path, without query. */
  path: z.string(),
  sha256: z.string(),
  /** ISO 8601 in UTC. */
  at: z.string(),
});
export type Delivery = z.infer<typeof delivery>;

/** What `/webhooks/*` received, oldest first. It is in a file before the answer goes out, and outlives restarts. */
export class ReceivedLog {
  readonly #file: string;
  readonly #deliveries: Delivery[];

  constructor(file: string) {
    this.#file = file;
    this.#deliveries = existsSync(file) ? readLog(readFileSync(file, 'utf8')) : [];
  }

  add(entry: Delivery): void {
    appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
    this.#deliveries.push(entry);
  }

  all(): readonly Delivery[] {
    return this.#deliveries;
  }
}

/** A SIGKILL can cut the last line short; such a line was never answered, so it may go. */
function readLog(text: string): Delivery[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => delivery.parse(JSON.parse(line)));
}
