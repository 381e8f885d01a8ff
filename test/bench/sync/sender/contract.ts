/** What the sender's process is told by its environment. */
export interface SenderEnv {
  readonly DATA_DIR: string;
  readonly EDGE_URL: string;
  readonly ORCHESTRATOR_ID: string;
  readonly KEY_FILE: string;
  readonly SITE_ID: string;
  /** Of the bare loop's own workerd. */
  readonly BARE_URL: string;
}

/**
 * Work for the sender's process, over its IPC channel.
 * - `batched`: events by 500, as fast as they are acknowledged
 * - `one by one`: an event, its commit, its message and its acknowledgement before the next
 * - `windowed`: each event in a transaction and a message of its own, eight unacknowledged at a time
 * - `singly`: each event in a transaction of its own, one after the other; what is not sent yet goes together
 * - `projected`: waits until D1 has all that was ever sent; sends nothing
 * - `record`: writes events while nothing is connected
 * - `connect`, `end`: opens the channel; closes everything and ends the process
 */
export interface Job {
  readonly path: 'product' | 'bare';
  readonly how: 'connect' | 'batched' | 'one by one' | 'windowed' | 'singly' | 'projected' | 'record' | 'end';
  readonly events: number;
}

/** How long a job took, from the first write to the last acknowledgement. */
interface Done {
  readonly ms: number;
}
export type Reply = Done | { readonly error: string };

/** Rows in one transaction: what a batch of the log takes. */
export const GROUP = 500;
/** Events that may be unacknowledged: what the log keeps in flight. */
export const AHEAD = 8 * GROUP;
/** A job in which nothing moves for so long has failed. A D1 that failed is tried again within a minute. */
export const STALLED_MS = 180_000;
