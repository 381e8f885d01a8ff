import type { OrchestratorKey } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl } from './clawctl.fixture.ts';

const key = (more: Partial<OrchestratorKey> = {}): OrchestratorKey => ({
  kid: 'k1',
  state: 'active',
  createdAt: 0,
  ...more,
});
const revoked = key({ state: 'revoked', revokedAt: 1_000, revokedBy: 'ann', cutAt: 2_000 });
const answers = (...items: OrchestratorKey[]) => ({
  'POST /api/v1/orchestrators/vps-1/keys/k1/revoke': [() => ({ items, next: null })],
});

describe('orchestrators revoke-key', () => {
  const line = ['orchestrators', 'revoke-key', 'vps-1', 'k1'];

  it('is done only when it was confirmed', async () => {
    const refused = await clawctl(line, answers(revoked));
    expect(String(refused.error)).toMatch(/cuts vps-1 off.*--yes/);
    expect(refused.seen).toEqual([]);
    const { out } = await clawctl([...line, '--yes'], answers(revoked));
    expect(out).toBe('k1 is revoked, and its sockets are cut');
  });

  it('says when a socket may be left', async () => {
    const late = answers(key({ kid: 'k2', cutAt: 1 }), key({ state: 'revoked' }));
    expect((await clawctl([...line, '--yes'], late)).out).toMatch(/not all lanes could be told yet/);
  });
});

it('orchestrators keys: shows who revoked which, and when', async () => {
  const edge = { 'GET /api/v1/orchestrators/vps-1/keys': [() => ({ items: [revoked], next: null })] };
  const { out } = await clawctl(['orchestrators', 'keys', 'vps-1'], edge);
  expect(out).toMatch(/^k1 +revoked +1970-01-01 00:00:00 +1970-01-01 00:00:01 +ann +1970-01-01 00:00:02/m);
});
