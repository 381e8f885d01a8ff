import { setTimeout as pause } from 'node:timers/promises';
import { type CommandTaken, commandTaken, orchestratorResponse, siteConfigState } from '@clawdbot/protocol';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';

/** A push is over by then, or something is broken. */
export const WITHIN_MS = 10_000;

/** Asking without a pause would take the edge's time from what is waited for. */
const LOOK_EVERY_MS = 5;

/** An operator's program: it pushes configs, and looks until they are applied. */
export class Operator {
  readonly #file: Pick<SandboxFile, 'edgeUrl' | 'adminToken'>;

  constructor(file: Pick<SandboxFile, 'edgeUrl' | 'adminToken'>) {
    this.#file = file;
  }

  async push(siteId: string, base: number, config: object): Promise<CommandTaken> {
    const body = JSON.stringify({ action: 'update_config', siteId, payload: { base, config } });
    const answer = orchestratorResponse.parse(
      await this.#ask('/api/v1/orchestrator', { method: 'POST', body }),
    );
    if (!answer.success) throw new Error(answer.error);
    return commandTaken.parse(answer.data);
  }

  /** Asks until the VPS has taken the desired config and the edge goes by it. */
  async applied(siteId: string): Promise<void> {
    const deadline = performance.now() + WITHIN_MS;
    while (performance.now() < deadline) {
      const { applied } = siteConfigState.parse(await this.#ask(`/api/v1/sites/${siteId}/config`));
      if (applied.relay.state === 'applied' && applied.edge.state === 'applied') return;
      if (applied.relay.state !== 'pending') throw new Error(`${siteId}: ${applied.relay.why}`);
      await pause(LOOK_EVERY_MS);
    }
    throw new Error(`the config of ${siteId} is not applied after ${WITHIN_MS} ms`);
  }

  async #ask(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.#file.adminToken}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(WITHIN_MS);
    const response = await fetch(this.#file.edgeUrl + path, { ...init, headers, signal });
    return response.json();
  }
}
