import { z } from 'zod';
import { logId, orchestratorId, orgId, seq } from '../ids.ts';

export const role = z.enum(['owner', 'admin', 'member', 'viewer']);
export type Role = z.infer<typeof role>;

/** The existing stack's token of a person or service: HS256. */
export const userClaims = z.object({
  sub: z.string().min(1),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.int(),
  org_id: orgId,
  tenant_id: z.string().optional(),
  role,
});
export type UserClaims = z.infer<typeof userClaims>;

/** An orchestrator's token on the upgrade of `/channel`: ES256, `kid` in its header, at most 5 minutes long. */
export const orchestratorClaims = z.object({
  iss: z.literal('clawdbot-orchestrator'),
  sub: orchestratorId,
  aud: z.string(),
  iat: z.int(),
  nbf: z.int(),
  exp: z.int(),
  jti: z.string().min(8).max(64),
});
export type OrchestratorClaims = z.infer<typeof orchestratorClaims>;

/** `GET /channel/state`: what the edge knows of an orchestrator, for one who restores that one's database. */
export const channelStanding = z.object({
  /** Of its newest process: the next one must have a higher one (PROTOCOL S5). */
  generation: z.int().min(0),
  instanceId: z.string().optional(),
  /** How far the edge has the orchestrator's control log, and which log that is. */
  control: z.object({ peerLogId: logId.optional(), applied: seq }),
});
export type ChannelStanding = z.infer<typeof channelStanding>;

export const CHANNEL_TOKEN_ISSUER = 'clawdbot-orchestrator';
/** The audience of a channel token: it is good for one orchestrator and one lane. */
export const channelAudience = (id: string, lane: number): string => `channel:${id}:${lane}`;
/** The audience of a token for an orchestrator's own HTTP API, signed with the orchestrator's own key. */
export const localAudience = (id: string): string => `local:${id}`;
