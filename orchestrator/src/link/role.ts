import type { Hello, Join, Status, Welcome } from '@clawdbot/protocol';
import type { DurableLogs } from './logs.ts';
import type { Resync } from './resync.ts';

/** Lane 0's, which carries everything. */
export interface ControlRole {
  readonly kind: 'control';
  readonly greeting: () => Hello;
  readonly logs: DurableLogs;
  readonly resync: Resync;
  /** Asked anew whenever it is sent. */
  readonly status: () => Status;
  /** Each welcome says how much of Cloudflare's API this orchestrator may use. */
  readonly onApiBudget: (budget: Welcome['apiBudget']) => void;
}

/** What a socket is for: those beyond lane 0's carry calls only. The greeting is made anew each time. */
export type Role = ControlRole | { readonly kind: 'calls'; readonly greeting: () => Join };
