import type { FrameToEdge, FrameToOrchestrator } from '@clawdbot/protocol';

/** Names a count of a site's relayed requests: PROTOCOL C15. */
export type TallyRef = Omit<Extract<FrameToEdge, { type: 'get_tally' }>, 'type' | 'id'>;

/** What one lane of the edge has counted. */
export type Tally = Omit<Extract<FrameToOrchestrator, { type: 'tally' }>, 'type' | 'id'>;

/** `tally`: undefined of a lane that cannot be asked now. */
export interface LaneTally {
  readonly lane: number;
  readonly tally: Tally | undefined;
}
