import { z } from 'zod';
import type { D1State } from './gate.ts';

export interface Statement {
  readonly sql: string;
  readonly params: readonly (string | number | null)[];
}

const rows = z.array(z.array(z.record(z.string(), z.json())));
const TIMEOUT_MS = 10_000;

/** The edge's D1, through the admin Worker: the supervisor's only way in. */
export class EdgeDatabase {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Runs the statements as one atomic batch. @returns each one's rows */
  async batch(statements: readonly Statement[]): Promise<z.infer<typeof rows>> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      body: JSON.stringify(statements),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`D1 refused the batch: ${await response.text()}`);
    return rows.parse(await response.json());
  }

  /** How D1 behaves towards the edge from now on, until the edge is started again. */
  async behave(state: D1State): Promise<void> {
    const response = await fetch(this.#url, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#token}` },
      body: state,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the gate before D1 answered ${response.status}`);
  }
}
