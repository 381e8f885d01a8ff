import {
  digestOf,
  EMPTY_CONFIG,
  orchestratorHealth,
  status,
  statusReport,
  type WorkerStatus,
} from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import type { LinkState } from '../link/state.ts';
import { createReporter, type StatusSources } from './status.ts';

const WORKER: WorkerStatus = { name: 'tracker', siteId: 'site-1', state: 'deployed', at: 1 };
const LOOK = { at: 1, ok: true, status: 200, latencyMs: 20 };
const OPEN: LinkState = { kind: 'open', since: 1_000, fence: 7, sessionId: 'session-1' };
const config = {
  ...EMPTY_CONFIG,
  routes: [{ path: '/*', upstream: 'http://127.0.0.1:1', offline: 'unavailable' as const }],
};

const reporter = (state: LinkState, more: Partial<StatusSources> = {}) =>
  createReporter({
    orchestratorId: 'vps-1',
    version: '0.1.0',
    lanes: 1,
    otherLanes: () => [],
    now: () => 11_000,
    startedAt: 1_000,
    channel: () => state,
    rttMs: () => 12,
    queues: () => ({ inbox: 1, outbox: 2, deadLetters: 0 }),
    workers: (siteId) => (siteId === undefined || siteId === 'site-1' ? [WORKER] : []),
    checks: (worker) => (worker === WORKER.name ? [LOOK] : []),
    settings: {
      configOf: (siteId) => (siteId === 'site-1' ? config : undefined),
      statusOf: (siteId) =>
        siteId === 'site-1' ? { siteId, generation: 3, digest: digestOf(config) } : undefined,
      statuses: () => [{ siteId: 'site-1', generation: 3, digest: digestOf(config) }],
    },
    tunnel: () => ({ state: 'not_configured' }),
    storage: () => ({ state: 'ok', since: 1_000 }),
    lost: () => undefined,
    ...more,
  });

describe('the status', () => {
  it('has the shape that the protocol gives it', () => {
    expect(status.parse(reporter(OPEN).status())).toMatchObject({
      uptimeS: 10,
      queues: { inbox: 1 },
      workers: [WORKER],
    });
  });

  it('of one site has what runs there, and where the channel stands', async () => {
    const report = statusReport.parse(await reporter(OPEN).report('site-1'));
    expect(report.orchestrator).toMatchObject({ id: 'vps-1', connectedSince: 1_000, fence: 7, rttMs: 12 });
    expect(report.site).toMatchObject({ generation: 3, routes: config.routes });
    expect(report.site.workers).toEqual([{ ...WORKER, checks: [LOOK] }]);
  });

  it('of a site without a config is that of the empty one', async () => {
    const { site } = await reporter(OPEN).report('site-2');
    expect(site).toEqual({ generation: 0, digest: digestOf(EMPTY_CONFIG), workers: [], routes: [] });
  });
});

const STATES: [LinkState, health: string, channel: object, ready: boolean][] = [
  [OPEN, 'healthy', { state: 'open', fence: 7 }, true],
  [{ kind: 'connecting', since: 1 }, 'degraded', { state: 'connecting' }, false],
  [{ kind: 'greeting', since: 1 }, 'degraded', { state: 'connecting' }, false],
  [
    { kind: 'draining', since: 1, fence: 7, sessionId: 's', reason: 'the edge restarts', redialAt: 12_000 },
    'degraded',
    { state: 'draining', reason: 'the edge restarts', retryInMs: 1_000 },
    true,
  ],
  [
    { kind: 'waiting', since: 1, retryAt: 12_500, reason: 'ECONNREFUSED' },
    'degraded',
    { state: 'waiting', reason: 'ECONNREFUSED', retryInMs: 1_500 },
    false,
  ],
  [
    { kind: 'refused', since: 1, reason: 'superseded' },
    'unhealthy',
    { state: 'refused', reason: 'superseded' },
    false,
  ],
  [{ kind: 'stopped', since: 1 }, 'degraded', { state: 'stopped' }, false],
];

describe('health', () => {
  it.each(STATES)('with the channel %o is %s', (state, expected, channel, ready) => {
    const health = orchestratorHealth.parse(reporter(state).health());
    expect(health).toMatchObject({ status: expected, version: '0.1.0', uptime: 10, channel });
    expect(reporter(state).readiness().ready).toBe(ready);
  });

  it('shows the lanes beyond 0, is degraded by one that is not open, and ready by lane 0 alone', async () => {
    const open = { lane: 1, state: 'open', since: 1 } as const;
    const refused = { lane: 2, state: 'refused', since: 1, reason: 'lane_not_granted' } as const;
    const two = reporter(OPEN, { otherLanes: () => [open, refused] });
    expect(two.health()).toMatchObject({ status: 'degraded', channel: { lanes: [open, refused] } });
    expect(two.readiness().ready).toBe(true);
    const report = statusReport.parse(await two.report('site-1'));
    expect(report.orchestrator.otherLanes).toEqual([open, refused]);
    expect(reporter(OPEN, { otherLanes: () => [open] }).health().status).toBe('healthy');
  });

  it('says why it is not ready', () => {
    const state: LinkState = { kind: 'refused', since: 1, reason: 'superseded' };
    expect(reporter(state).readiness()).toEqual({ ready: false, reason: 'superseded' });
  });

  it('is degraded by a tunnel that is down, and by dead letters', () => {
    expect(reporter(OPEN, { tunnel: () => ({ state: 'down' }) }).health().status).toBe('degraded');
    const queues = () => ({ inbox: 0, outbox: 0, deadLetters: 1 });
    expect(reporter(OPEN, { queues }).health().status).toBe('degraded');
  });

  it.each(['full', 'failing'] as const)(
    'is unhealthy and not ready while the store is %s, with the sentence that says what to do',
    (state) => {
      const told = reporter(OPEN, { storage: () => ({ state, since: 1, detail: 'make room' }) });
      expect(orchestratorHealth.parse(told.health())).toMatchObject({
        status: 'unhealthy',
        storage: { state, detail: 'make room' },
      });
      expect(told.readiness()).toEqual({ ready: false, reason: 'make room' });
    },
  );

  it('says how much of the edge’s logs is lost for good', () => {
    const told = reporter(OPEN, { lost: () => ({ at: 0, entries: 6 }) });
    expect(orchestratorHealth.parse(told.health()).lost).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      entries: 6,
    });
  });
});
