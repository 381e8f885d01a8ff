import { env } from 'cloudflare:workers';
import type { Problem } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { CONSOLE, edge, Tenant, userToken } from '../edge.fixture.ts';

const URL = `${CONSOLE}/api/v1/session`;
let tenant: Tenant;
let token = '';
beforeAll(async () => {
  tenant = await Tenant.create('session-vps');
  token = userToken(tenant.orgId, 'admin');
});

const signIn = (body: unknown, headers: Record<string, string> = { origin: CONSOLE }, url = URL) =>
  edge(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const cookie = () => `__Host-orc_session=${token}`;
const codeOf = async (response: Response) => [response.status, (await response.json<Problem>()).code];

describe('POST /api/v1/session', () => {
  it('turns a token into a cookie that no page can read, of the same life', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 600;
    const short = userToken(tenant.orgId, 'viewer', { exp });
    const response = await signIn({ token: short });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const [pair, ...attributes] = (response.headers.get('set-cookie') ?? '').split('; ');
    expect(pair).toBe(`__Host-orc_session=${short}`);
    expect(attributes).toEqual([
      'Path=/',
      expect.stringMatching(/^Max-Age=(600|59\d)$/),
      'HttpOnly',
      'SameSite=Strict',
      'Secure',
    ]);
    expect(await response.json()).toEqual({
      sub: `viewer@${tenant.orgId}`,
      orgId: tenant.orgId,
      role: 'viewer',
      expiresAt: exp * 1_000,
    });
  });

  it('says why a token is refused, and repeats it nowhere', async () => {
    const logged = (['log', 'info', 'warn', 'error'] as const).map((level) => vi.spyOn(console, level));
    const bad = [`${token}x`, userToken(tenant.orgId, 'admin', { exp: 1 }), 'no-jwt', 'x'.repeat(9_000)];
    for (const wrong of bad) {
      const response = await signIn({ token: wrong });
      const text = await response.text();
      expect([400, 401]).toContain(response.status);
      expect(text).toMatch(/"code":"(unauthorized|token_expired|bad_request)"/);
      expect(text).not.toContain(wrong);
      expect(response.headers.get('set-cookie')).toBeNull();
    }
    expect(logged.flatMap((spy) => spy.mock.calls)).toEqual([]);
  });

  it('is refused to a page of another origin', async () => {
    for (const origin of ['https://evil.example', 'null', `https://${env.RELAY_HOST}`])
      expect(await codeOf(await signIn({ token }, { origin }))).toEqual([403, 'forbidden']);
  });
});

describe('a session', () => {
  it('tells who is signed in, by cookie and by token', async () => {
    const by = async (headers: Record<string, string>) => (await edge(URL, { headers })).json();
    const who = { sub: `admin@${tenant.orgId}`, orgId: tenant.orgId, role: 'admin' };
    expect(await by({ cookie: cookie() })).toMatchObject(who);
    expect(await by({ authorization: `Bearer ${token}` })).toMatchObject(who);
    expect(await codeOf(await edge(URL))).toEqual([401, 'unauthorized']);
  });

  it('reads with the cookie alone, and writes from the console’s own pages only', async () => {
    const url = `${CONSOLE}/api/v1/sites`;
    const create = (headers: Record<string, string>) =>
      edge(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ id: 'session-shop' }),
      });
    expect((await edge(url, { headers: { cookie: cookie() } })).status).toBe(200);
    expect(await codeOf(await create({ cookie: cookie() }))).toEqual([403, 'forbidden']);
    const foreign = 'https://evil.example';
    expect(await codeOf(await create({ cookie: cookie(), origin: foreign }))).toEqual([403, 'forbidden']);
    expect(await codeOf(await create({ authorization: `Bearer ${token}`, origin: foreign }))).toEqual([
      403,
      'forbidden',
    ]);
    for (const site of ['cross-site', 'same-site', 'none'])
      expect(await codeOf(await create({ cookie: cookie(), 'sec-fetch-site': site }))).toEqual([
        403,
        'forbidden',
      ]);
    expect((await create({ cookie: cookie(), origin: CONSOLE })).status).toBe(201);
    expect((await create({ cookie: cookie(), 'sec-fetch-site': 'same-origin' })).status).toBe(409);
  });

  it('is not asked for where a token is sent: the token says who asks, and a bad one is not made up for', async () => {
    const headers = { cookie: cookie(), authorization: 'Bearer wrong' };
    expect(await codeOf(await edge(URL, { headers }))).toEqual([401, 'unauthorized']);
  });

  it('ends with the cookie cleared, from our own pages only', async () => {
    const end = (headers: Record<string, string>) => edge(URL, { method: 'DELETE', headers });
    expect(await codeOf(await end({ cookie: cookie() }))).toEqual([403, 'forbidden']);
    const response = await end({ cookie: cookie(), origin: CONSOLE });
    expect(response.status).toBe(204);
    expect(response.headers.get('set-cookie')).toBe(
      '__Host-orc_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure',
    );
  });
});
