import { type Hello, type Join, ProtocolError, type Status, type Welcome } from '@clawdbot/protocol';
import type { DurableLogs } from './logs.ts';
import type { Resync } from './resync.ts';

/** What lane 0 carries beside calls. */
interface Durable {
  readonly logs: DurableLogs;
  readonly resync: Resync;
  /** Asked anew whenever it is sent. */
  readonly status: () => Status;
  /** Each welcome says how much of Cloudflare's API this orchestrator may use. */
  readonly onApiBudget: (budget: Welcome['apiBudget']) => void;
}

/** What a socket is for: lane 0's carries everything, those beyond it calls only. The greeting is made anew each time. */
export type Role =
  | ({ readonly kind: 'control'; readonly greeting: () => Hello } & Durable)
  | { readonly kind: 'calls'; readonly greeting: () => Join };

/** What only lane 0 has: throws `ProtocolError` for a frame of it that comes on any other (PROTOCOL S13). */
export function durableOf(role: Role, frame: string): Durable {
  if (role.kind === 'control') return role;
  throw new ProtocolError('malformed', `${frame} on a lane that carries calls only`);
}
