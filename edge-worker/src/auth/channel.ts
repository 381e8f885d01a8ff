import {
  CHANNEL_TOKEN_ISSUER,
  CLOCK_TOLERANCE_S,
  channelAudience,
  Failure,
  type OrchestratorClaims,
  orchestratorClaims,
  TOKEN_LIFETIME_S_MAX,
} from '@clawdbot/protocol';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import type { ChannelClaims } from '../channel/claims.ts';
import type { ChannelKey } from '../data/keys.ts';
import { refusalOf } from './user.ts';

/** What is known of a dial before its token is believed. */
export interface Dial {
  readonly token: string;
  readonly lane: number;
}

/** Where a key is found by its id. */
export type FindKey = (kid: string) => Promise<ChannelKey | undefined>;

/** No key, a wrong signature, a wrong audience: outwards all alike, so that nothing can be tried out. */
const unauthorized = () =>
  new Failure('unauthorized', 'the token is not good for this channel: check key, orchestrator id and clock');

/**
 * The claims of an orchestrator that dials, or a failure. `token_expired` and `unauthorized` are worth a fresh
 * token; `key_revoked` and `lane_not_granted` are said only to who holds the key, and are final.
 */
export async function verifyChannel(
  { token, lane }: Dial,
  findKey: FindKey,
  nowMs: number,
): Promise<ChannelClaims> {
  const kid = kidOf(token);
  const key = kid === undefined ? undefined : await findKey(kid);
  if (kid === undefined || key === undefined) throw unauthorized();
  const claims = verify(token, key, lane, nowMs);
  if (key.state === 'revoked') {
    throw new Failure('key_revoked', 'this key was revoked: enrol the orchestrator again');
  }
  if (lane >= key.lanes) {
    throw new Failure('lane_not_granted', `lane ${lane} is not granted: this orchestrator has ${key.lanes}`);
  }
  const { jti, exp } = claims;
  const { orchestratorId, orgId, lanes, sharers } = key;
  return { orchestratorId, orgId, lane, lanes, sharers, jti, exp, kid };
}

const keyed = z.object({ header: z.object({ kid: z.string().min(1).max(128) }) });

/** The key that a token says it was signed with: not believed yet, only looked up. */
function kidOf(token: string): string | undefined {
  try {
    return keyed.parse(jwt.decode(token, { complete: true })).header.kid;
  } catch {
    return undefined;
  }
}

function verify(token: string, key: ChannelKey, lane: number, nowMs: number): OrchestratorClaims {
  const nowS = Math.floor(nowMs / 1_000);
  const claims = orchestratorClaims.safeParse(signed(token, key, lane, nowS));
  if (!claims.success) throw unauthorized();
  const { sub, iat, exp } = claims.data;
  const tooLong = exp - iat > TOKEN_LIFETIME_S_MAX || iat > nowS + CLOCK_TOLERANCE_S;
  if (sub !== key.orchestratorId || tooLong) throw unauthorized();
  return claims.data;
}

function signed(token: string, key: ChannelKey, lane: number, nowS: number): unknown {
  try {
    return jwt.verify(token, key.publicKey, {
      algorithms: ['ES256'],
      issuer: CHANNEL_TOKEN_ISSUER,
      audience: channelAudience(key.orchestratorId, lane),
      clockTimestamp: nowS,
      clockTolerance: CLOCK_TOLERANCE_S,
    });
  } catch (cause) {
    const refusal = refusalOf(cause);
    throw refusal.code === 'token_expired' ? refusal : unauthorized();
  }
}
