import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  CHANNEL_TOKEN_ISSUER,
  CLOCK_TOLERANCE_S,
  channelAudience,
  Failure,
  localAudience,
  type OrchestratorClaims,
  orchestratorClaims,
  TOKEN_LIFETIME_S_MAX,
} from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';

/** The orchestrator's own key pair; the edge knows only its public half, by `kid`. */
export interface Identity {
  /** RFC 7638 thumbprint of the public key, base64url. */
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** RFC 7638 §3: SHA-256 over the required members, in lexical order, without white space. */
function thumbprint(publicKey: KeyObject): string {
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}

/** Throws when the text is no PEM private key on the P-256 curve, the one that ES256 signs with. */
export function identityOf(pem: string): Identity {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TypeError(`the key is ${privateKey.asymmetricKeyType ?? 'unknown'}, not EC on P-256`);
  }
  const publicKey = createPublicKey(privateKey);
  return { kid: thumbprint(publicKey), privateKey, publicKey };
}

export const loadIdentity = (keyFile: string): Identity => identityOf(readFileSync(keyFile, 'utf8'));

/** Long enough for one dial and for clocks that differ a little; the protocol's limit is 300. */
const CHANNEL_TOKEN_S = 120;
export const LOCAL_TOKEN_S = 300;

interface TokenRequest {
  readonly orchestratorId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Used once: the edge refuses it a second time. */
  readonly jti: string;
}

function sign(
  identity: Identity,
  { orchestratorId, now, jti }: TokenRequest,
  aud: string,
  lifetimeS: number,
) {
  const iat = Math.floor(now / 1_000);
  const claims: OrchestratorClaims = {
    iss: CHANNEL_TOKEN_ISSUER,
    sub: orchestratorId,
    aud,
    iat,
    nbf: iat,
    exp: iat + lifetimeS,
    jti,
  };
  return jwt.sign(claims, identity.privateKey, { algorithm: 'ES256', keyid: identity.kid });
}

/** A token for one dial of one lane: `Authorization: Bearer` of the upgrade. */
export const signChannelToken = (
  identity: Identity,
  request: TokenRequest & { readonly lane: number },
): string => sign(identity, request, channelAudience(request.orchestratorId, request.lane), CHANNEL_TOKEN_S);

/** A token for this orchestrator's own HTTP API, for whoever can read its key. */
export const signLocalToken = (identity: Identity, request: TokenRequest): string =>
  sign(identity, request, localAudience(request.orchestratorId), LOCAL_TOKEN_S);

const REFUSED =
  'the token is not good for this orchestrator: sign one with its own key, for at most 5 minutes';

/** Checks a token of `signLocalToken`. Throws `Failure('unauthorized' | 'token_expired')`. */
export function verifyLocalToken(
  { publicKey }: Identity,
  { orchestratorId, token, now }: { orchestratorId: string; token: string; now: number },
): OrchestratorClaims {
  const claims = orchestratorClaims.safeParse(verified(publicKey, orchestratorId, token, now));
  if (!claims.success || claims.data.exp - claims.data.iat > TOKEN_LIFETIME_S_MAX) {
    throw new Failure('unauthorized', REFUSED);
  }
  return claims.data;
}

function verified(publicKey: KeyObject, id: string, token: string, now: number): unknown {
  try {
    return jwt.verify(token, publicKey, {
      algorithms: ['ES256'],
      audience: localAudience(id),
      issuer: CHANNEL_TOKEN_ISSUER,
      subject: id,
      clockTimestamp: Math.floor(now / 1_000),
      clockTolerance: CLOCK_TOLERANCE_S,
    });
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError) {
      throw new Failure('token_expired', 'the token has expired: sign a new one');
    }
    throw new Failure('unauthorized', REFUSED, { cause: error });
  }
}
