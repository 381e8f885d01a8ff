import type {
  CloseName,
  Defer,
  Hello,
  Join,
  Joined,
  RandomBytes,
  Resync,
  Status,
  Welcome,
  Wire,
} from '@clawdbot/protocol';
import type { Attachment, OpenAttachment } from './attachment.ts';
import type { After } from './liveness.ts';
import type { Supply } from './supply.ts';
import type { LogPort } from './traffic.ts';

/** What a session asks of its lane: everything that outlives one socket. */
export interface LanePort extends LogPort {
  /** Takes the orchestrator over for a session whose token was signed with the key `kid`, or says why not. */
  admit(kid: string, hello: Hello): Admitted | Refusal;
  /** The same on a lane beyond 0, whose object asks lane 0's. Never rejects. */
  join(kid: string, join: Join): Promise<JoinedLane | Refusal>;
  readonly supply: Supply;
  /** Do customers of stored requests wait? Then silence means something. */
  readonly isAwaited: boolean;
  /** Is this the newest session of the orchestrator? An older one may not write. */
  isCurrent(fence: number): boolean;
  onStatus(status: Status): void;
  onDrain(fence: number, reason: string): void;
  onUnknown(count: number): void;
}
export interface Admitted {
  readonly attachment: OpenAttachment;
  readonly welcome: Welcome;
  /** What follows `welcome` when the two sides do not know the same. */
  readonly resync: readonly Resync[];
}
export interface JoinedLane {
  readonly attachment: OpenAttachment;
  readonly joined: Joined;
}
export interface Refusal {
  readonly close: CloseName;
  readonly reason: string;
}

export interface SessionPorts {
  readonly wire: Wire;
  readonly save: (attachment: Attachment) => void;
  readonly now: () => number;
  readonly after: After;
  readonly random: RandomBytes;
  readonly defer: Defer;
  readonly lane: LanePort;
}
