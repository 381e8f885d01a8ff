import { createHmac, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { channelAudience, localAudience, orchestratorClaims, TOKEN_LIFETIME_S_MAX } from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { identityOf, signChannelToken, signLocalToken, verifyLocalToken } from './identity.ts';

const pemOf = (namedCurve: string): string =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const request = { orchestratorId: 'vps-1', now: 1_800_000_000_000, jti: 'jti-12345678' };

describe('identity', () => {
  it('names a key by the thumbprint of RFC 7638', () => {
    // The P-256 key of RFC 7517 appendix A.2; the thumbprint is sha256 over its canonical JWK.
    const key = createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'P-256',
        x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
        y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
        d: '870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE',
      },
    });
    const { kid } = identityOf(key.export({ type: 'pkcs8', format: 'pem' }).toString());
    expect(kid).toBe('cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s');
  });

  it('refuses keys that ES256 cannot use', () => {
    expect(() => identityOf(pemOf('secp384r1'))).toThrow(/P-256/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect(() => identityOf(rsa.export({ type: 'pkcs8', format: 'pem' }).toString())).toThrow(/rsa/);
    expect(() => identityOf('not a key')).toThrow();
  });

  it('signs channel tokens that are good for one orchestrator, one lane and minutes', () => {
    const identity = identityOf(pemOf('P-256'));
    const token = signChannelToken(identity, { ...request, lane: 0 });
    const { header, payload } = jwt.verify(token, identity.publicKey, {
      algorithms: ['ES256'],
      audience: channelAudience('vps-1', 0),
      clockTimestamp: request.now / 1_000,
      complete: true,
    });
    expect(header).toMatchObject({ alg: 'ES256', kid: identity.kid });
    const claims = orchestratorClaims.parse(payload);
    expect(claims).toMatchObject({ sub: 'vps-1', jti: request.jti, iat: request.now / 1_000 });
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(TOKEN_LIFETIME_S_MAX);
  });

  it('signs local tokens for another audience, so that neither is good in the other place', () => {
    const token = signLocalToken(identityOf(pemOf('P-256')), request);
    expect(orchestratorClaims.parse(jwt.decode(token)).aud).toBe(localAudience('vps-1'));
  });

  it('takes a local token of its own key for its own id, until it expires', () => {
    const identity = identityOf(pemOf('P-256'));
    const check = (token: string, more = {}) =>
      verifyLocalToken(identity, { orchestratorId: 'vps-1', token, now: request.now, ...more });
    const good = signLocalToken(identity, request);
    expect(check(good).sub).toBe('vps-1');
    expect(() => check(good, { now: request.now + 3_600_000 })).toThrow(/expired/);
    expect(() => check(good, { orchestratorId: 'vps-2' })).toThrow(/not good/);
    expect(() => check(signLocalToken(identityOf(pemOf('P-256')), request))).toThrow(/not good/);
    expect(() => check(signChannelToken(identity, { ...request, lane: 0 }))).toThrow(/not good/);
    const claims = { ...orchestratorClaims.parse(jwt.decode(good)), exp: request.now / 1_000 + 86_400 };
    expect(() => check(jwt.sign(claims, identity.privateKey, { algorithm: 'ES256' }))).toThrow(/not good/);
    const publicPem = identity.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const [head, payload] = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    );
    const mac = createHmac('sha256', publicPem).update(`${head}.${payload}`).digest('base64url');
    expect(() => check(`${head}.${payload}.${mac}`)).toThrow(/not good/);
    expect(() => check('')).toThrow(/not good/);
  });
});
