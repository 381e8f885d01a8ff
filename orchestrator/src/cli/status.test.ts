import { digestOf, EMPTY_CONFIG } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { orchestratorOf, siteOf } from './answers.fixture.ts';
import { clawctl, configState } from './clawctl.fixture.ts';

describe('status', () => {
  it('lists with each site which config runs, and whether a newer one was refused', async () => {
    const digest = digestOf(EMPTY_CONFIG);
    const status = {
      ...{ at: 1, version: '0.1.0', uptimeS: 1, workers: [], tunnel: { state: 'not_configured' } },
      ...{ memory: { rssBytes: 1, heapUsedBytes: 1 }, queues: { inbox: 0, outbox: 0, deadLetters: 0 } },
      sites: [
        { siteId: 'a', generation: 4, digest },
        {
          siteId: 'b',
          generation: 7,
          digest,
          lastFailure: { generation: 8, at: 1, error: 'x', failures: 3 },
        },
      ],
    };
    const { out } = await clawctl(['status'], {
      'GET /api/v1/orchestrators': [() => ({ items: [{ id: 'vps-1', lanes: 1, createdAt: 1 }], next: null })],
      'GET /api/v1/orchestrators/vps-1': [() => ({ ...orchestratorOf({ state: 'online' }), status })],
      'GET /api/v1/sites': [() => ({ items: ['a', 'b', 'c'].map(siteOf), next: null })],
    });
    const rows = out
      .split('\n')
      .slice(-4)
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['SITE', 'ORCHESTRATOR', 'STATE', 'CONFIG', 'NAME'],
      ['a', 'vps-1', 'active', '4', 'a'],
      ['b', 'vps-1', 'active', '7 (8 refused 3×)', 'b'],
      ['c', 'vps-1', 'active', 'c'],
    ]);
  });
});

describe('status of a site', () => {
  const report = (failed: number) => ({
    at: 10_000,
    orchestrator: {
      id: 'vps-1',
      version: '0.1.0',
      lanes: 1,
      uptimeS: 9,
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
    },
    site: {
      siteId: 'site-1',
      generation: 88,
      digest: digestOf(EMPTY_CONFIG),
      lastFailure: { generation: failed, at: 5_000, error: 'not allowed here' },
      routes: [],
      workers: [],
    },
    tunnel: { state: 'not_configured' },
  });
  const shown = async (failed: number): Promise<string> => {
    const answer = () => ({ success: true, data: report(failed), timestamp: '2026-01-01T00:00:00Z' });
    const { out, error } = await clawctl(['status', 'site-1'], {
      'POST /api/v1/orchestrator': [answer],
      'GET /api/v1/sites/site-1/config': [() => configState()],
    });
    expect(error).toBeUndefined();
    return out;
  };

  it('tells of a failure until a newer generation runs', async () => {
    expect(await shown(89)).toMatch(/generation 89 failed at 1970-01-01 00:00:05: not allowed here/);
    expect(await shown(87)).not.toMatch('failed');
  });
});
