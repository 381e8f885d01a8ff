import type { Deployment } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { clawctl } from './clawctl.fixture.ts';

const deployed: Deployment = {
  commandId: 'cmd_vps-1_0000000000000000000002',
  type: 'deploy_worker',
  name: 'tracker',
  siteId: 'shop',
  orchestratorId: 'vps-1',
  state: 'running',
  percentage: 10,
  versionId: 'v-2',
  createdAt: Date.parse('2026-11-01T10:00:00Z'),
  createdBy: 'someone',
  updatedAt: 1,
};
const failed: Deployment = {
  ...deployed,
  type: 'rollback_worker',
  state: 'failed',
  error: 'no\nsuch version',
};
const adopted: Deployment = { ...deployed, type: 'adopt_worker', state: 'succeeded' };
const page = { items: [deployed, failed, adopted], next: null };

it('deployments are listed with their share of the traffic, and why they failed', async () => {
  const edge = { 'GET /api/v1/deployments': [() => page] };
  const { out, seen } = await clawctl(['deployments', '--worker', 'tracker', '--site', 'shop'], edge);
  expect(out.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^2026-11-01 10:00:00 +tracker +shop +at 10 % +v-2 +cmd_vps-1_0+2$/),
    expect.stringMatching(/^2026-11-01 10:00:00 +tracker \(rollback\) +shop +failed .* no such version$/),
    expect.stringMatching(/^2026-11-01 10:00:00 +tracker \(adopted\) +shop +succeeded +v-2 /),
  ]);
  expect(new URL(seen[0]?.url ?? '').search).toBe('?limit=20&site=shop&name=tracker');
  expect(JSON.parse((await clawctl(['--json', 'deployments'], edge)).out)).toEqual(page.items);
});

/** An edge that takes a command, which succeeds. */
function taking(type: Deployment['type']) {
  const { commandId } = deployed;
  const ended = {
    id: commandId,
    type,
    siteId: 'shop',
    orchestratorId: 'vps-1',
    state: 'succeeded',
    result: { versionId: 'v-1' },
    createdAt: 1,
    createdBy: 'someone',
    history: [],
    milestones: [],
  };
  const taken = { success: true, data: { commandId, state: 'queued' }, timestamp: '2026-11-01T10:00:00Z' };
  return {
    'POST /api/v1/orchestrator': [() => taken],
    [`GET /api/v1/commands/${commandId}`]: [() => ended],
  };
}

it('rollback asks the site’s orchestrator for a version, and waits for the end', async () => {
  const { out, seen, error } = await clawctl(
    ['rollback', 'tracker', '--to', 'v-1', '--site', 'shop', '--force'],
    taking('rollback_worker'),
  );
  expect(error).toBeUndefined();
  expect(JSON.parse(out)).toEqual({ versionId: 'v-1' });
  expect(seen[0]?.body).toEqual({
    action: 'rollback_worker',
    siteId: 'shop',
    payload: { name: 'tracker', versionId: 'v-1', force: true },
  });
});

it('rollback refuses what is no version before anything is asked', async () => {
  const { error, seen } = await clawctl(['rollback', 'tracker', '--to', 'a b', '--site', 'shop']);
  expect(String(error)).toBe('CliError: --to: expected a version’s id');
  expect(seen).toEqual([]);
});

it('adopt asks the site’s orchestrator to take a Worker over, and waits for the end', async () => {
  const { out, seen, error } = await clawctl(['adopt', 'theirs', '--site', 'shop'], taking('adopt_worker'));
  expect(error).toBeUndefined();
  expect(JSON.parse(out)).toEqual({ versionId: 'v-1' });
  expect(seen[0]?.body).toEqual({ action: 'adopt_worker', siteId: 'shop', payload: { name: 'theirs' } });
});

it('adopt refuses what is no Worker’s name before anything is asked', async () => {
  const { error, seen } = await clawctl(['adopt', 'No Name', '--site', 'shop']);
  expect(String(error)).toContain('name: expected a Worker name');
  expect(seen).toEqual([]);
});
