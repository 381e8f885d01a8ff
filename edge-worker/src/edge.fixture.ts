import { env, exports } from 'cloudflare:workers';
import { type Role, siteId } from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';

export const CONSOLE = `https://${env.CONSOLE_HOST}`;
export const RELAY = `https://${env.RELAY_HOST}`;

/** A request to the Worker as it ships. */
export const edge = (url: string, init?: RequestInit): Promise<Response> => exports.default.fetch(url, init);

/** Not from 1: files that run in one workerd share its D1 and its objects, and each begins this module anew. */
let count = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
/** A name that no other test has. */
export const fresh = (prefix: string): string => siteId.parse(`${prefix}-${++count}`);

const nowS = () => Math.floor(Date.now() / 1_000);

/** Without the members that are undefined: jsonwebtoken refuses to sign some of those. */
const given = (claims: object): object => JSON.parse(JSON.stringify(claims));

/** A user's token as the existing stack makes it; what is given replaces what is usual. */
export function userToken(
  orgId: string,
  role: Role,
  claims: object = {},
  options: jwt.SignOptions = {},
): string {
  const usual = {
    sub: `${role}@${orgId}`,
    iss: env.JWT_ISSUER,
    aud: env.JWT_AUDIENCE,
    exp: nowS() + 3_600,
    org_id: orgId,
    role,
  };
  return jwt.sign(given({ ...usual, ...claims }), env.JWT_SECRET, { algorithm: 'HS256', ...options });
}

/** An organisation in D1 with orchestrators of its own, and someone in it who asks. */
export class Tenant {
  readonly orgId = fresh('org');

  static async create(...orchestrators: string[]): Promise<Tenant> {
    const tenant = new Tenant();
    await env.DB.prepare('INSERT INTO orc_organisations VALUES (?, ?, 0)').bind(tenant.orgId, 'Test').run();
    for (const id of orchestrators) {
      await env.DB.prepare('INSERT INTO orc_orchestrators VALUES (?, ?, 2, 7)').bind(id, tenant.orgId).run();
    }
    return tenant;
  }

  /** Asks the API, as an admin unless said otherwise. */
  call(method: string, path: string, { role = 'admin', body, headers = {} }: Asked = {}): Promise<Response> {
    return edge(`${CONSOLE}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${userToken(this.orgId, role)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  }
}

interface Asked {
  role?: Role;
  body?: unknown;
  headers?: Record<string, string>;
}

/** An orchestrator's key pair, its public half in D1. */
export class ChannelKeyPair {
  readonly kid = fresh('key');
  readonly #privateKey: string;
  readonly #orchestratorId: string;

  private constructor(orchestratorId: string, privateKey: string) {
    this.#orchestratorId = orchestratorId;
    this.#privateKey = privateKey;
  }

  static async enrol(orchestratorId: string): Promise<ChannelKeyPair> {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    if (!('privateKey' in pair)) throw new Error('not a pair');
    const key = new ChannelKeyPair(orchestratorId, await pem('PRIVATE KEY', 'pkcs8', pair.privateKey));
    await env.DB.prepare(
      `INSERT INTO orc_orchestrator_keys (kid, orchestrator_id, public_key, state, created_at)
       VALUES (?, ?, ?, 'active', 0)`,
    )
      .bind(key.kid, orchestratorId, await pem('PUBLIC KEY', 'spki', pair.publicKey))
      .run();
    return key;
  }

  async revoke(): Promise<void> {
    await env.DB.prepare(`UPDATE orc_orchestrator_keys SET state = 'revoked' WHERE kid = ?`)
      .bind(this.kid)
      .run();
  }

  token(claims: object = {}, options: jwt.SignOptions = {}): string {
    const usual = {
      iss: 'clawdbot-orchestrator',
      sub: this.#orchestratorId,
      aud: `channel:${this.#orchestratorId}:0`,
      iat: nowS(),
      nbf: nowS(),
      exp: nowS() + 60,
      jti: crypto.randomUUID(),
    };
    return jwt.sign({ ...usual, ...claims }, this.#privateKey, {
      algorithm: 'ES256',
      keyid: this.kid,
      ...options,
    });
  }
}

async function pem(label: string, format: 'pkcs8' | 'spki', key: CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey(format, key);
  if (!(der instanceof ArrayBuffer)) throw new Error('not DER');
  const base64 = btoa(String.fromCharCode(...new Uint8Array(der)));
  return `-----BEGIN ${label}-----\n${base64.replace(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`;
}
