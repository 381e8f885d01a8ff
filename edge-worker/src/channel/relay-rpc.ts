import type { BodyHead, HeaderList, Route, WireError } from '@clawdbot/protocol';

/** One HTTP request on its way to a site's upstream or to the orchestrator itself. */
export interface RelayCall {
  readonly requestId: string;
  readonly target: 'upstream' | 'self';
  /** Absent for target `self`. */
  readonly siteId?: string;
  readonly method: string;
  /** Path and query, as the customer sent them, prefix stripped. */
  readonly url: string;
  readonly headers: HeaderList;
  /** Of the site's own Worker that has sent it, by its word (`SENT_BY_HEADER`): counted by, and not passed on. */
  readonly workerVersion?: string;
  readonly body: Body;
  /** Of a streamed body, in bytes, when it is known. */
  readonly bodyLength?: number;
  /** Up to the head of the answer, from when the request is whole. */
  readonly deadlineMs: number;
  /** What it says of whose request it is (`VISITOR_HEADER`), to be proven: no header, so that it goes no further. */
  readonly visitor?: string;
}

/** A message's body: bytes when it is small, and whole already; otherwise a stream of bytes. */
export type Body = Uint8Array | ReadableStream<Uint8Array> | null;
/** A customer's request whose site is known. */
export type SiteCall = RelayCall & { readonly siteId: string };

export interface RelayReply {
  readonly status: number;
  readonly headers: HeaderList;
  /**
   * A text stands for its UTF-8: most answers cross as one, and are not made bytes on the way. A stream errors when the
   * upstream breaks off; cancelling it stops the upstream's work.
   */
  readonly body: Body | string;
  /** Of a stored request: how it went is told of its receipt, whatever its customer was answered. */
  readonly isStored?: true;
}

/** A body that crosses with the head of its message. */
type InlineBody = Exclude<BodyHead, { kind: 'stream' }>;

/** A call that crosses with others: its body is small, or there is none. */
export interface TrunkCall extends Omit<RelayCall, 'body' | 'bodyLength'> {
  readonly body?: InlineBody;
}

/** An answer that crosses with others. `apart`: it is there, and is to be fetched by `pickUp`. */
export type TrunkAnswer = { readonly requestId: string } & (
  | { readonly status: number; readonly headers: HeaderList; readonly body: InlineBody }
  | { readonly error: WireError; readonly headers?: HeaderList }
  | { readonly apart: true }
);

export interface StatusCall {
  readonly requestId: string;
  readonly siteId: string;
  readonly deadlineMs: number;
}

/** What the Worker must know of a route to choose a lane for a request. */
export interface RouteChoice extends Pick<Route, 'path' | 'methods' | 'timeoutMs'> {
  /** Nothing but the call itself is done with a request: it needs no more of this object than a socket. */
  readonly anyLane: boolean;
}

/** A site's routes, as the Worker keeps them for a few seconds. */
export interface SiteRoutes {
  /** Lanes 0 to `lanes` - 1 may have a socket. */
  readonly lanes: number;
  readonly isPaused: boolean;
  readonly routes: readonly RouteChoice[];
}
