import { env } from 'cloudflare:workers';
import { createHmac } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { entry, helloOf, Peer } from '../channel/channel.fixture.ts';
import { CLAIMS_HEADER } from '../channel/claims.ts';
import { ChannelKeyPair, CONSOLE, edge, fresh, Tenant } from '../edge.fixture.ts';

async function enrolled() {
  const id = fresh('vps');
  await Tenant.create(id);
  return { id, key: await ChannelKeyPair.enrol(id) };
}

const dial = (token: string, lane = '0', headers: Record<string, string> = {}) =>
  edge(`${CONSOLE}/channel?lane=${lane}`, {
    headers: {
      upgrade: 'websocket',
      'sec-websocket-protocol': 'orchestrator.v1',
      authorization: `Bearer ${token}`,
      ...headers,
    },
  });

async function refusal(response: Response): Promise<[number, string]> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const { code } = await response.json<{ code: string }>();
  return [response.status, code];
}
const nowS = () => Math.floor(Date.now() / 1_000);

describe('the upgrade of /channel', () => {
  it('D1: a good token opens a socket with our subprotocol', async () => {
    const { key } = await enrolled();
    const response = await dial(key.token());
    expect(response.status).toBe(101);
    expect(response.headers.get('sec-websocket-protocol')).toBe('orchestrator.v1');
    response.webSocket?.accept();
    response.webSocket?.close();
  });

  it('a token opens one connection: the second is token_replayed', async () => {
    const { key } = await enrolled();
    const token = key.token();
    const first = await dial(token);
    expect(first.status).toBe(101);
    expect(await refusal(await dial(token))).toEqual([401, 'token_replayed']);
    first.webSocket?.accept();
    first.webSocket?.close();
  });

  it('tells each orchestrator its share of the API budget of the token that they have in common', async () => {
    const [id = '', ...others] = [fresh('vps'), fresh('vps'), fresh('vps')];
    await Tenant.create(id, ...others);
    const [key, , gone] = await Promise.all([id, ...others].map((one) => ChannelKeyPair.enrol(one)));
    await gone?.revoke();
    const { webSocket } = await dial(key?.token() ?? '');
    webSocket?.accept();
    const told = new Promise<string>((resolve) =>
      webSocket?.addEventListener('message', ({ data }) => resolve(String(data)), { once: true }),
    );
    webSocket?.send(JSON.stringify([helloOf(id)]));
    expect(JSON.parse(await told)).toMatchObject([
      { type: 'welcome', apiBudget: { calls: 600, windowS: 300 } },
    ]);
    webSocket?.close();
  });

  it('without an upgrade, or without our subprotocol, it is 426', async () => {
    const { key } = await enrolled();
    const authorization = `Bearer ${key.token()}`;
    const plain = await edge(`${CONSOLE}/channel?lane=0`, { headers: { authorization } });
    expect(plain.headers.get('upgrade')).toBe('websocket');
    expect(await refusal(plain)).toEqual([426, 'upgrade_required']);
    expect(await refusal(await dial(key.token(), '0', { 'sec-websocket-protocol': 'other' }))).toEqual([
      426,
      'upgrade_required',
    ]);
  });

  it('no token is 401, and a token in the URL is no token', async () => {
    const { key } = await enrolled();
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': 'orchestrator.v1' };
    const response = await edge(`${CONSOLE}/channel?lane=0&token=${key.token()}`, { headers });
    expect(await refusal(response)).toEqual([401, 'unauthorized']);
  });

  it.each(['x', '-1', '16', '1.5', ''])('a lane of "%s" is 400', async (lane) => {
    const { key } = await enrolled();
    const [status, code] = await refusal(await dial(key.token(), lane === '' ? '%20x' : lane));
    expect([status, code]).toEqual([400, 'bad_request']);
  });

  it('a lane beyond those granted is 403 lane_not_granted', async () => {
    const { id, key } = await enrolled();
    const granted = await dial(key.token({ aud: `channel:${id}:1` }), '1');
    expect(granted.status).toBe(101);
    granted.webSocket?.accept();
    granted.webSocket?.close();
    expect(await refusal(await dial(key.token({ aud: `channel:${id}:2` }), '2'))).toEqual([
      403,
      'lane_not_granted',
    ]);
  });

  it('an expired token is 401 token_expired, once the clocks cannot explain it', async () => {
    const { key } = await enrolled();
    const expired = (ago: number) => key.token({ iat: nowS() - 200, nbf: nowS() - 200, exp: nowS() - ago });
    expect(await refusal(await dial(expired(90)))).toEqual([401, 'token_expired']);
    const tolerated = await dial(expired(30));
    expect(tolerated.status).toBe(101);
    tolerated.webSocket?.accept();
    tolerated.webSocket?.close();
  });

  it.each<[string, (key: ChannelKeyPair, id: string, other: ChannelKeyPair) => string | Promise<string>]>([
    ['a future nbf', (key) => key.token({ nbf: nowS() + 90 })],
    ['a future iat', (key) => key.token({ iat: nowS() + 90, exp: nowS() + 120 })],
    ['the audience of another lane', (key, id) => key.token({ aud: `channel:${id}:1` })],
    ['the audience of another orchestrator', (key) => key.token({ aud: 'channel:other:0' })],
    ['another subject', (key) => key.token({ sub: 'other' })],
    ['another issuer', (key) => key.token({ iss: 'someone' })],
    ['a life of more than 300 s', (key) => key.token({ exp: nowS() + 301 })],
    ['no jti', (key) => key.token({ jti: undefined })],
    ['an unknown kid', (key) => key.token({}, { keyid: 'unknown' })],
    ['the kid of another key', (key, _id, other) => key.token({}, { keyid: other.kid })],
    ['HS256 with the public key as its secret', confused],
    ['alg none', (key) => unsigned(key.token())],
    ['a changed payload', (key) => tampered(key.token())],
    ['text that is no token', () => 'a.b.c'],
  ])('%s is 401, told from no other', async (_name, token) => {
    const { id, key } = await enrolled();
    const { key: other } = await enrolled();
    const response = await dial(await token(key, id, other));
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      code: 'unauthorized',
      detail: 'the token is not good for this channel: check key, orchestrator id and clock',
    });
  });

  it('a revoked key is 403 key_revoked to its holder, within 5 s, and 401 to anyone else', async () => {
    const { key } = await enrolled();
    const { key: other } = await enrolled();
    const opened = await dial(key.token());
    opened.webSocket?.accept();
    opened.webSocket?.close();
    await key.revoke();
    await expect
      .poll(async () => refusal(await dial(key.token())).catch(() => 'open'), {
        timeout: 5_000,
        interval: 250,
      })
      .toEqual([403, 'key_revoked']);
    expect(await refusal(await dial(other.token({}, { keyid: key.kid })))).toEqual([401, 'unauthorized']);
  });

  it('claims that the dialling side sends of itself are not believed', async () => {
    const { key } = await enrolled();
    const forged = JSON.stringify({
      orchestratorId: 'other',
      orgId: 'o',
      lane: 0,
      jti: 'x'.repeat(8),
      exp: 1,
      kid: 'k',
    });
    const token = key.token();
    const first = await dial(token, '0', { [CLAIMS_HEADER]: forged });
    expect(first.status).toBe(101);
    first.webSocket?.accept();
    first.webSocket?.close();
    // It was the token's own jti that was used up.
    expect(await refusal(await dial(token))).toEqual([401, 'token_replayed']);
  });
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const payloadOf = (token: string) => token.split('.')[1] ?? '';

function unsigned(token: string): string {
  const { header } = jwt.decode(token, { complete: true }) ?? {};
  return `${part({ ...header, alg: 'none' })}.${payloadOf(token)}.`;
}

function tampered(token: string): string {
  const [head, payload = '', signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return `${head}.${part({ ...claims, jti: 'another-one' })}.${signature}`;
}

/** The classic confusion: the public key, known to many, taken for a shared secret. */
async function confused(key: ChannelKeyPair): Promise<string> {
  const known = await env.DB.prepare('SELECT public_key FROM orc_orchestrator_keys WHERE kid = ?')
    .bind(key.kid)
    .first<string>('public_key');
  const signed = `${part({ alg: 'HS256', typ: 'JWT', kid: key.kid })}.${payloadOf(key.token())}`;
  return `${signed}.${createHmac('sha256', known ?? '')
    .update(signed)
    .digest('base64url')}`;
}

describe('GET /channel/state', () => {
  const ask = (token: string) =>
    edge(`${CONSOLE}/channel/state`, { headers: { authorization: `Bearer ${token}` } });

  it('tells an orchestrator how far the edge knows it', async () => {
    const { id, key } = await enrolled();
    expect(await (await ask(key.token())).json()).toEqual({ generation: 0, control: { applied: 0 } });
    const peer = await Peer.connect(id, { generation: 7 });
    peer.send(entry(1, { type: 'strange' }));
    await peer.next('ack');
    const response = await ask(key.token());
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({
      generation: 7,
      instanceId: 'process-a',
      control: { peerLogId: `log-of-${id}`, applied: 1 },
    });
    peer.close(1000, '');
  });

  it('takes a token once, whatever it was first used for, and no other than for dialling', async () => {
    const { key } = await enrolled();
    const token = key.token();
    expect((await ask(token)).status).toBe(200);
    expect(await refusal(await ask(token))).toEqual([401, 'token_replayed']);
    expect(await refusal(await dial(token))).toEqual([401, 'token_replayed']);
    expect(await refusal(await ask(key.token({ aud: 'local:someone' })))).toEqual([401, 'unauthorized']);
    expect((await edge(`${CONSOLE}/channel/state`)).status).toBe(401);
  });
});
