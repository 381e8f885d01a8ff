import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { loadIdentity } from '../../orchestrator/src/identity.ts';

/** Who issues the existing stack's tokens, and for whom, in the sandbox. */
export const USER_TOKENS = { issuer: 'https://sandbox.adsengineer.test', audience: 'adsengineer' } as const;
/** A token in a shell's history should still be good tomorrow; the sandbox is on loopback only. */
const TOKEN_LIFETIME_S = 365 * 24 * 3_600;

const secrets = z.object({
  jwtSecret: z.string(),
  secretsKey: z.string(),
  cloudflareAccountId: z.string(),
  cloudflareApiToken: z.string(),
});
export type Secrets = z.infer<typeof secrets>;

/**
 * The sandbox's secrets: each made once, then read, so that a token given out stays good across restarts. A sandbox of
 * before one of them was needed gets it now.
 */
export function loadSecrets(dir: string): Secrets {
  const file = join(dir, 'secrets.json');
  const kept: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const made: Secrets = {
    jwtSecret: randomBytes(32).toString('hex'),
    secretsKey: randomBytes(32).toString('base64'),
    cloudflareAccountId: randomBytes(16).toString('hex'),
    cloudflareApiToken: randomBytes(20).toString('hex'),
    ...kept,
  };
  writeFileSync(file, JSON.stringify(made, null, 2), { mode: 0o600 });
  return secrets.parse(made);
}

/** A token as the existing stack gives its people. */
export function userToken(secret: string, orgId: string, role: Role, expiresInS = TOKEN_LIFETIME_S): string {
  return jwt.sign({ org_id: orgId, tenant_id: orgId, role }, secret, {
    algorithm: 'HS256',
    subject: `${role}@${orgId}`,
    issuer: USER_TOKENS.issuer,
    audience: USER_TOKENS.audience,
    expiresIn: expiresInS,
  });
}

/** An orchestrator's key: the file that only it may read, and what the edge may know. */
export interface Key {
  readonly file: string;
  readonly kid: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
}

/** The key of an orchestrator, made when there is none yet: what enrolling it would do. */
export function loadKey(dir: string, orchestratorId: string): Key {
  const folder = join(dir, 'keys');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${orchestratorId}.pem`);
  if (!existsSync(file)) writeFileSync(file, newPrivateKey(), { mode: 0o600 });
  const { kid, publicKey } = loadIdentity(file);
  return { file, kid, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

const newPrivateKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
