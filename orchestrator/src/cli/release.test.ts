import { describe, expect, it } from 'vitest';
import { orchestratorOf } from './answers.fixture.ts';
import { clawctl } from './clawctl.fixture.ts';

describe('release', () => {
  const edge = {
    'GET /api/v1/orchestrators/vps-1': [() => orchestratorOf({ state: 'away' })],
    'POST /api/v1/orchestrators/vps-1/release': [() => orchestratorOf({ state: 'never' })],
  };

  it('is done only when it was confirmed', async () => {
    const refused = await clawctl(['release', 'vps-1'], edge);
    expect(String(refused.error)).toMatch(/forgets the newest process of vps-1.*--yes/);
    expect(refused.seen).toEqual([]);
    const { out, seen } = await clawctl(['release', 'vps-1', '--yes'], edge);
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET https://edge.example/api/v1/orchestrators/vps-1',
      'POST https://edge.example/api/v1/orchestrators/vps-1/release',
    ]);
    expect(out).toBe('vps-1 is released: one with an empty database may connect');
  });

  it('is not done to one that is online', async () => {
    const online = { 'GET /api/v1/orchestrators/vps-1': [() => orchestratorOf({ state: 'online' })] };
    const { error, seen } = await clawctl(['release', 'vps-1', '--yes'], online);
    expect(String(error)).toMatch(/vps-1 is online.*stop it first/);
    expect(seen).toHaveLength(1);
  });
});
