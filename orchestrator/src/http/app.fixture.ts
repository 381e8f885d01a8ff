import { generateKeyPairSync } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { onTestFinished } from 'vitest';
import { identityOf, signLocalToken } from '../identity.ts';
import { type LinkState, Observable } from '../link/state.ts';
import { createLogger } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { createReporter } from '../status/index.ts';
import type { StorageState } from '../store/index.ts';
import { createHttp, createSelf, type HttpOptions, listen } from './index.ts';

export const identity = identityOf(
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
);
const NOW = 1_800_000_000_000;
export const claims = { orchestratorId: 'vps-1', now: NOW, jti: 'jti-12345678' };
export const BEARER = { authorization: `Bearer ${signLocalToken(identity, claims)}` };
export const RESULT = {
  deploymentId: 'd-1',
  versionId: 'v-1',
  url: 'http://localhost:1',
  proof: 'observed' as const,
  receipts: { intended: { at: 1 }, observed: { at: 2 } },
};
export const OPEN: LinkState = { kind: 'open', since: 1, fence: 7, sessionId: 's-1' };

/** The local API of an orchestrator that is connected and has nothing. */
export function createBench() {
  const state = new Observable<LinkState>({ kind: 'stopped', since: 0 });
  state.set(OPEN);
  const clock = { now: NOW };
  const storage: { value: StorageState } = { value: { state: 'ok', since: NOW } };
  const now = () => clock.now;

  function build(more: Partial<HttpOptions> = {}) {
    const queues = () => ({ inbox: 3, outbox: 0, deadLetters: 0 });
    const reporter = createReporter({
      orchestratorId: 'vps-1',
      version: '0.1.0',
      lanes: 1,
      otherLanes: () => [],
      now,
      startedAt: NOW - 5_000,
      channel: () => state.value,
      rttMs: () => 12,
      queues,
      workers: () => [],
      checks: () => [],
      settings: { configOf: () => undefined, statusOf: () => undefined, statuses: () => [] },
      tunnel: () => ({ state: 'not_configured' }),
      storage: () => storage.value,
      lost: () => undefined,
    });
    const metrics = createMetrics({
      queues,
      rttMs: () => 12,
      callsOpen: () => 0,
      lanesOpen: () => 1,
      storage: () => storage.value,
    });
    metrics.watch(state);
    const log = createLogger({ level: 'error', production: true, out: new PassThrough() });
    const app = createHttp({
      identity,
      orchestratorId: 'vps-1',
      now,
      reporter,
      metrics,
      log,
      deploy: async () => RESULT,
      commands: () => [],
      events: { list: () => ({ items: [], next: null }) },
      letters: { list: () => [], replay: () => false, drop: () => false },
      shared: { tables: () => [], rows: () => ({ items: [], next: null }) },
      ...more,
    });
    return { app, metrics, self: createSelf(app) };
  }

  /** The app behind a real socket. */
  async function serve(more: Partial<HttpOptions> = {}) {
    const listener = await listen(build(more).app, 0);
    onTestFinished(() => listener.close());
    return (path: string, init: RequestInit = {}) => fetch(listener.url + path, init);
  }

  return { state, clock, storage, build, serve };
}
