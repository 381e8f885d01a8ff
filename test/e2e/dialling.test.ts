import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { identityOf } from '../../orchestrator/src/identity.ts';
import { EdgeDatabase } from '../sandbox/edge/database.ts';
import { otherOrchestrator } from './harness/other.ts';
import { dial, Impostor } from './harness/raw-channel.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();
let other: Impostor;

beforeAll(() => {
  other = otherOrchestrator(system());
});

const newIdentity = () =>
  identityOf(
    generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
  );

const refused = (status: number, code: string) => ({
  kind: 'refused',
  status,
  headers: { 'content-type': expect.stringContaining('application/problem+json') },
  problem: { code, detail: expect.any(String) },
});

test('the orchestrator connects by itself, and both sides say so', async () => {
  const { presence, fence, status } = await system().orchestrator();
  expect([presence.state, fence >= 1, status?.tunnel.state]).toEqual(['online', true, 'not_configured']);
  const health = await (await fetch(`${system().file.orchestratorUrl}/health`)).json();
  expect(health).toMatchObject({ status: 'healthy', channel: { state: 'open', fence } });
});

describe('an upgrade is refused before it happens (D2, D4)', () => {
  test('without a token', async () => {
    expect(await dial(system().file.edgeUrl, undefined)).toMatchObject(refused(401, 'unauthorized'));
  });

  test('with a token of a key that the edge does not know', async () => {
    const stranger = new Impostor(system().file.edgeUrl, other.id, newIdentity());
    expect(await dial(system().file.edgeUrl, stranger.token())).toMatchObject(refused(401, 'unauthorized'));
  });

  test('with a token signed for another orchestrator than the key’s', async () => {
    const token = other.token({ id: system().file.orchestratorId });
    expect(await dial(system().file.edgeUrl, token)).toMatchObject(refused(401, 'unauthorized'));
  });

  test('with an expired token', async () => {
    const token = other.token({ now: Date.now() - 3_600_000 });
    expect(await dial(system().file.edgeUrl, token)).toMatchObject(refused(401, 'token_expired'));
  });

  test('with a token from the future', async () => {
    const token = other.token({ now: Date.now() + 3_600_000 });
    expect(await dial(system().file.edgeUrl, token)).toMatchObject(refused(401, 'unauthorized'));
  });

  test('with a token that was used before', async () => {
    const token = other.token({ jti: randomUUID() });
    const first = await dial(system().file.edgeUrl, token);
    expect(first.kind).toBe('open');
    expect(await dial(system().file.edgeUrl, token)).toMatchObject(refused(401, 'token_replayed'));
    if (first.kind === 'open') first.channel.drop();
  });

  test('with a token for another lane than it dials', async () => {
    expect(await dial(system().file.edgeUrl, other.token(), 1)).toMatchObject(refused(401, 'unauthorized'));
  });

  test('on a lane that was not granted', async () => {
    const token = other.token({ lane: 1 });
    expect(await dial(system().file.edgeUrl, token, 1)).toMatchObject(refused(403, 'lane_not_granted'));
  });

  test('with a revoked key', async () => {
    const { layout } = system().sandbox;
    const revoked = new Impostor(system().file.edgeUrl, other.id, newIdentity());
    const { kid, publicKey } = revoked.identity;
    await new EdgeDatabase(layout.urls.admin, layout.adminToken).batch([
      {
        sql: `INSERT INTO orc_orchestrator_keys (kid, orchestrator_id, public_key, state, created_at)
          VALUES (?, ?, ?, 'revoked', 0)`,
        params: [kid, other.id, publicKey.export({ type: 'spki', format: 'pem' }).toString()],
      },
    ]);
    expect(await dial(system().file.edgeUrl, revoked.token())).toMatchObject(refused(403, 'key_revoked'));
  });

  test('without the subprotocol', async () => {
    const answer = await system().api('/channel', { token: other.token() });
    expect([answer.status, answer.json.code]).toEqual([426, 'upgrade_required']);
  });
});

test('the relay’s origin has no channel', async () => {
  const dialled = await dial(system().file.relayUrl, other.token());
  expect(dialled).toMatchObject({ kind: 'refused', status: 404 });
});
