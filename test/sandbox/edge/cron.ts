const EVERY_MS = 60_000;
const TIMEOUT_MS = 30_000;

/** Runs the edge's `scheduled` each minute, as Cloudflare does by wrangler.jsonc: bare workerd has no cron. */
export class Cron {
  readonly #url: string;
  readonly #token: string;
  #timer: NodeJS.Timeout | undefined;

  /** The admin Worker's address, and the token that it asks for. */
  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  start(): void {
    // The edge may be down on purpose; what it has missed, the next minute's run does.
    this.#timer ??= setInterval(() => void this.run().catch(() => undefined), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Runs it now, and waits for its end. */
  async run(): Promise<void> {
    const response = await fetch(`${this.#url}/cron`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the edge's cron ended in ${await response.text()}`);
  }
}
