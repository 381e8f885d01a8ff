import { LANES_MAX, lane, orchestratorId, orgId } from '@clawdbot/protocol';
import { z } from 'zod';

/** What the Worker has verified of a dialling orchestrator; it reaches the object in `CLAIMS_HEADER`. */
export const channelClaims = z.object({
  orchestratorId,
  orgId,
  lane,
  /** Lanes 0 to `lanes` - 1 are granted. An older Worker in front of this object does not say. */
  lanes: z.int().min(1).max(LANES_MAX).default(1),
  /** Orchestrators of the organisation, which is taken to have one Cloudflare token. */
  sharers: z.int().min(1).default(1),
  /** The token's id: good for one upgrade. */
  jti: z.string().min(8).max(64),
  /** The token's end, in seconds since the epoch. */
  exp: z.int(),
  /** The key that signed it. */
  kid: z.string().min(1).max(128),
});
export type ChannelClaims = z.infer<typeof channelClaims>;

/** The header in which the Worker hands an upgrade's verified claims to the object, as JSON. */
export const CLAIMS_HEADER = 'x-orchestrator-claims';
