import { setTimeout as pause } from 'node:timers/promises';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';
import type { Live } from './live.ts';
import { type Operator, WITHIN_MS } from './operator.ts';

/** Milliseconds from the request that pushes a config. */
export interface Edit {
  /** The edge has taken it. */
  readonly taken: number;
  /** The VPS runs it, and `GET …/config` at the edge says so. */
  readonly applied: number;
  /** A customer's request has been answered by it. */
  readonly answered: number;
  /** A dashboard shows it. */
  readonly live: number;
}

/** Between two edits: dashboards are told eight times a second, and an edit is three things to tell. */
const PAUSE_MS = { least: 400, spread: 200 };

/** Pushes one config after the other; each takes the customers' requests of the last one away. */
export async function measureEdits(
  { relayUrl, upstreamUrl }: SandboxFile,
  { operator, live, siteId, edits }: { operator: Operator; live: Live; siteId: string; edits: number },
): Promise<Edit[]> {
  const measured: Edit[] = [];
  for (let n = 0; n < edits; n++) {
    await pause(PAUSE_MS.least + (n % 8) * (PAUSE_MS.spread / 8));
    const routes = [{ path: `/v${n}/*`, upstream: upstreamUrl, offline: 'unavailable' }];
    const begun = performance.now();
    const { commandId } = await operator.push(siteId, n, { routes });
    const taken = performance.now();
    await operator.applied(siteId);
    const applied = performance.now();
    const customer = `${relayUrl}/s/${siteId}/v${n}/echo`;
    const { status } = await fetch(customer, { signal: AbortSignal.timeout(WITHIN_MS) });
    if (status !== 200) throw new Error(`${customer} was answered ${status} after it was said to be applied`);
    const answered = performance.now();
    const shown = await live.succeeded(commandId, WITHIN_MS);
    measured.push({
      taken: taken - begun,
      applied: applied - begun,
      answered: answered - begun,
      live: shown - begun,
    });
  }
  return measured;
}
