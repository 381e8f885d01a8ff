import { orchestrator, orchestratorResponse, statusReport } from '@clawdbot/protocol';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';

const TIMEOUT_MS = 10_000;

/** The socket, as its orchestrator sees it. */
export interface Link {
  /** When this was said. Milliseconds since the epoch, as the next. */
  readonly at: number;
  readonly connectedSince: number;
  readonly rttMs: number | undefined;
}

/** What the edge's API tells of one channel. */
export class Channel {
  readonly #of: SandboxFile;

  constructor(of: SandboxFile) {
    this.#of = of;
  }

  /** Times that an event has found the object asleep; asking is not one. */
  async wakes(): Promise<number> {
    const { presence, wakes } = orchestrator.parse(
      await this.#ask('GET', `/api/v1/orchestrators/${this.#of.orchestratorId}`),
    );
    if (presence.state !== 'online')
      throw new Error(`the orchestrator is ${presence.state}: ${presence.reason}`);
    return wakes;
  }

  /** Asks the orchestrator itself, which wakes the object. */
  async link(): Promise<Link> {
    const body = { action: 'get_status', payload: {}, siteId: this.#of.siteId };
    const { data } = orchestratorResponse.parse(await this.#ask('POST', '/api/v1/orchestrator', body));
    const { at, orchestrator: seen } = statusReport.parse(data);
    if (seen.connectedSince === undefined) throw new Error('the orchestrator is not connected');
    return { at, connectedSince: seen.connectedSince, rttMs: seen.rttMs };
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#of.edgeUrl + path, {
      method,
      headers: { authorization: `Bearer ${this.#of.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return response.json();
    throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`);
  }
}
