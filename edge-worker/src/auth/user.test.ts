import { env } from 'cloudflare:workers';
import { Failure } from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { CONSOLE, edge, Tenant, userToken } from '../edge.fixture.ts';
import { bearerOf, requireAdmin, verifyUser } from './user.ts';

const config = { secret: env.JWT_SECRET, issuer: env.JWT_ISSUER, audience: env.JWT_AUDIENCE };
const nowS = () => Math.floor(Date.now() / 1_000);

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (thrown) {
    return thrown instanceof Failure ? thrown.code : String(thrown);
  }
  return undefined;
}
const verify = (token: string, nowMs = Date.now()) => codeOf(() => verifyUser(token, config, nowMs));

describe('a user token', () => {
  it('is believed when secret, algorithm, issuer, audience and time are right', () => {
    expect(verifyUser(userToken('org-a', 'viewer'), config, Date.now())).toMatchObject({
      org_id: 'org-a',
      role: 'viewer',
    });
    expect(verify(userToken('org-a', 'viewer', { aud: ['other', env.JWT_AUDIENCE] }))).toBeUndefined();
  });

  it('says that it has expired, a minute after it did', () => {
    const token = userToken('org-a', 'owner', { exp: nowS() });
    expect(verify(token, Date.now() + 30_000)).toBeUndefined();
    expect(verify(token, Date.now() + 90_000)).toBe('token_expired');
  });

  it.each<[string, string]>([
    ['another secret', jwt.sign({ role: 'owner' }, 'another')],
    ['another HMAC', userToken('org-a', 'owner', {}, { algorithm: 'HS512' })],
    ['another issuer', userToken('org-a', 'owner', { iss: 'other' })],
    ['another audience', userToken('org-a', 'owner', { aud: 'other' })],
    ['a future nbf', userToken('org-a', 'owner', { nbf: nowS() + 600 })],
    ['no exp', userToken('org-a', 'owner', { exp: undefined })],
    ['an unknown role', userToken('org-a', 'owner', { role: 'root' })],
    ['no organisation', userToken('org-a', 'owner', { org_id: undefined })],
    ['no signature', `${userToken('org-a', 'owner').split('.').slice(0, 2).join('.')}.`],
    ['alg none', jwt.sign({ role: 'owner', exp: nowS() + 60 }, '', { algorithm: 'none' })],
  ])('with %s is refused', (_name, token) => {
    expect(verify(token)).toBe('unauthorized');
  });

  it('that has expired and is forged is only refused: nothing is told of it', () => {
    const [head, payload] = userToken('org-a', 'owner', { exp: 1 }).split('.');
    expect(verify(`${head}.${payload}.AAAA`)).toBe('unauthorized');
  });

  it.each(['', 'Basic abc', 'Bearer', 'Bearer ', 'Bearer a b'])(
    'is not in the header "%s"',
    (authorization) => {
      expect(codeOf(() => bearerOf(new Headers({ authorization })))).toBe('unauthorized');
    },
  );
});

describe('the API', () => {
  it('answers 401 with WWW-Authenticate and a request id to who has no token', async () => {
    const response = await edge(`${CONSOLE}/api/v1/sites`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const { requestId } = await response.json<{ requestId: string }>();
    expect(response.headers.get('x-request-id')).toBe(requestId);
  });

  it('takes no token from the URL', async () => {
    const { orgId } = await Tenant.create();
    expect((await edge(`${CONSOLE}/api/v1/sites?token=${userToken(orgId, 'owner')}`)).status).toBe(401);
  });

  it('lets owners and admins change things, members and viewers not', () => {
    const claims = verifyUser(userToken('org-a', 'viewer'), config, Date.now());
    for (const role of ['owner', 'admin'] as const)
      expect(codeOf(() => requireAdmin({ ...claims, role }))).toBeUndefined();
    for (const role of ['member', 'viewer'] as const)
      expect(codeOf(() => requireAdmin({ ...claims, role }))).toBe('forbidden');
  });
});
