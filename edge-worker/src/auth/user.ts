import { createSecretKey, type KeyObject } from 'node:crypto';
import { CLOCK_TOLERANCE_S, Failure, type Role, type UserClaims, userClaims } from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';
import type { JwtConfig } from '../services.ts';

/** The token of an `Authorization: Bearer` header; throws `unauthorized` when there is none. */
export function bearerOf(headers: Headers): string {
  const [, token] = /^Bearer ([\w.~+/=-]+)$/i.exec(headers.get('authorization') ?? '') ?? [];
  if (token === undefined) {
    throw new Failure('unauthorized', 'send a token: Authorization: Bearer <token>');
  }
  return token;
}

/**
 * A person's or service's claims out of the existing stack's token. The algorithm is pinned: a token that
 * names another, or none, is refused whatever its signature (RFC 8725 §3.1).
 */
export function verifyUser(
  token: string,
  { secret, issuer, audience }: JwtConfig,
  nowMs: number,
): UserClaims {
  try {
    const claims = jwt.verify(token, keyOf(secret), {
      algorithms: ['HS256'],
      issuer,
      audience,
      clockTimestamp: Math.floor(nowMs / 1_000),
      clockTolerance: CLOCK_TOLERANCE_S,
    });
    return userClaims.parse(claims);
  } catch (cause) {
    throw refusalOf(cause);
  }
}

let known: { readonly secret: string; readonly key: KeyObject } | undefined;

/** Made once: of a text, jsonwebtoken makes a key for each token, and tries it as a public one first. */
function keyOf(secret: string): KeyObject {
  if (known?.secret !== secret) known = { secret, key: createSecretKey(new TextEncoder().encode(secret)) };
  return known.key;
}

/** jsonwebtoken checks the signature first, so "expired" is said only of tokens that were once good. */
export function refusalOf(cause: unknown): Failure {
  if (cause instanceof jwt.TokenExpiredError) {
    return new Failure('token_expired', 'the token has expired; get a new one');
  }
  return new Failure('unauthorized', 'the token is not good here; get a new one');
}

const ADMINS: readonly Role[] = ['owner', 'admin'];

/** Throws `forbidden` for members and viewers. */
export function requireAdmin({ role }: UserClaims): void {
  if (ADMINS.includes(role)) return;
  throw new Failure('forbidden', `this needs the role owner or admin; your token says ${role}`);
}

/** Throws `forbidden` for viewers. */
export function requireMember({ role }: UserClaims): void {
  if (role !== 'viewer') return;
  throw new Failure('forbidden', 'this needs the role owner, admin or member; your token says viewer');
}
