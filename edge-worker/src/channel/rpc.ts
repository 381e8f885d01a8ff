import type {
  AdoptPayload,
  BodyHead,
  ChannelStanding,
  Command,
  CommandState,
  ConfigGeneration,
  ConfigGenerationDetail,
  DeadLetter,
  DeadLetterDetail,
  DeletedSite,
  Deployment,
  DeployPayload,
  HeaderList,
  Orchestrator,
  Receipt,
  ReceiptDetail,
  ReceiptState,
  RollbackPayload,
  Route,
  SecretSummary,
  SiteConfigState,
  SiteMove,
  SiteQueued,
  StatusReport,
  UpdateConfigPayload,
  WireError,
} from '@clawdbot/protocol';

import type { ChannelClaims } from './claims.ts';
import type { Arrival, ArrivalMessage } from './move/rpc.ts';

/**
 * A result that crosses an RPC boundary: workerd rebuilds a thrown error as a bare `Error`, so a failure that
 * its caller must tell apart is a value.
 */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError; readonly headers?: HeaderList };

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

interface Submission<P> {
  readonly siteId: string;
  readonly payload: P;
  readonly idempotencyKey?: string;
  /** Who asked: the verified token's `sub`. */
  readonly actor: string;
}
export type DeploySubmission = Submission<DeployPayload>;
export type RollbackSubmission = Submission<RollbackPayload>;
export type AdoptSubmission = Submission<AdoptPayload>;
export type ConfigSubmission = Submission<UpdateConfigPayload>;

export interface SecretSubmission {
  readonly siteId: string;
  readonly name: string;
  readonly value: string;
  /** Who asked: the verified token's `sub`. */
  readonly actor: string;
}

export interface Taken {
  readonly commandId: string;
  readonly state: CommandState;
  /** Of `update_config`: the generation this command makes. */
  readonly generation?: number;
  /** Of `update_config`: the edit changes nothing. No generation was made; the command is the one that brought what there is. */
  readonly unchanged?: true;
  /** Of `update_config`: what will not work as the config stands. */
  readonly warnings?: string[];
}

/** One page of the history of a site's config. */
export interface GenerationPage {
  readonly items: ConfigGeneration[];
  /** Where the list goes on; null at its end. */
  readonly next: string | null;
}

/** The newest process of an orchestrator, as lane 0's object knows it. */
export interface Incumbency {
  /** 0: none yet, or an admin has released the orchestrator. */
  readonly generation: number;
  readonly instanceId?: string;
  readonly fence: number;
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

/** What everyone may read of a site's config. */
export interface PublicPart {
  /** Canonical JSON, an object. */
  readonly body: string;
  /** Its SHA-256, as hex. */
  readonly digest: string;
}

/** One page of an orchestrator's dead letters. */
export interface LetterPage {
  readonly items: DeadLetter[];
  /** Where the list goes on; null at its end. */
  readonly next: string | null;
}

/** Which receipts are looked for; `q` stands in what the customer sent, `path` at the beginning of its URL. */
export interface ReceiptQuery {
  readonly limit: number;
  /** The id behind which, in descending order, the page begins. */
  readonly after?: string | undefined;
  readonly site?: string | undefined;
  readonly state?: ReceiptState | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly path?: string | undefined;
  readonly q?: string | undefined;
}
/** Which deployments are listed. */
export interface DeploymentQuery {
  readonly limit: number;
  /** The id behind which, in descending order, the page begins. */
  readonly after?: string | undefined;
  readonly site?: string | undefined;
  readonly name?: string | undefined;
}
export interface DeploymentPage {
  readonly items: Deployment[];
  readonly next: string | null;
}
export interface ReceiptPage {
  readonly items: Receipt[];
  readonly next: string | null;
}
/** Of one step of an erasure. */
export interface Erasure {
  readonly erased: number;
  readonly next: string | null;
}

/** What the removal of a site has ended: commands, and stored requests that were not delivered. */
export interface Removal {
  readonly receipts: number;
  readonly commands: DeletedSite['commands'];
}

/** What lane 0's object knows of its orchestrator; `lanes` and `orgId` are D1's to add. */
export type ChannelState = Omit<Orchestrator, 'orgId' | 'lanes'>;

/**
 * What the Worker may ask a Channel object. The object keeps a call's deadline; when the customer leaves, the Worker says
 * `cancelCall`. A socket comes by `fetch` (an upgrade cannot cross RPC).
 */
export interface ChannelRpc {
  relay(call: RelayCall): Promise<Answer<RelayReply>>;
  /**
   * Begins calls of several customers, and resolves with answers when there are any, of these or of earlier ones of the
   * same trunk: `TrunkCall[]` and `TrunkAnswer[]` as JSON, which crosses in half of the time that objects take.
   */
  exchange(trunk: string, calls: string): Promise<string>;
  /** The answer of a call that `exchange` has begun: it is large, or late. Undefined when an exchange has it, or nobody. */
  pickUp(requestId: string): Promise<Answer<RelayReply> | undefined>;
  getStatus(call: StatusCall): Promise<Answer<StatusReport>>;
  cancelCall(requestId: string): Promise<void>;
  /** Would a call be sent now? For one whose body can be sent once only. */
  isReachable(): Promise<boolean>;

  /** Of lane 0: which of a site's requests may go over any lane, and how many lanes there are. */
  routes(siteId: string): Promise<Answer<SiteRoutes>>;
  /** Of lane 0, asked by the objects of the others. */
  incumbency(): Promise<Incumbency>;
  /** Of a lane beyond 0, told by lane 0: this process has taken the orchestrator over. */
  supersede(by: Incumbency): Promise<void>;

  deploy(submission: DeploySubmission): Promise<Answer<Taken>>;
  rollback(submission: RollbackSubmission): Promise<Answer<Taken>>;
  adopt(submission: AdoptSubmission): Promise<Answer<Taken>>;
  updateConfig(submission: ConfigSubmission): Promise<Answer<Taken>>;
  deployments(query: DeploymentQuery): Promise<Answer<DeploymentPage>>;
  command(commandId: string): Promise<Answer<Command>>;
  cancelCommand(commandId: string, actor: string): Promise<Answer<Command>>;

  /**
   * Makes the site known here, and pauses or resumes it; safe to repeat. `isNew`: whatever had this id before and was
   * moved away was another one.
   */
  putSite(
    siteId: string,
    state: { paused: boolean; orgId: string; readonly isNew?: boolean },
  ): Promise<Answer<null>>;
  /** What a removal would end, and what it would leave. */
  queued(siteId: string): Promise<Answer<SiteQueued>>;
  /**
   * Forgets the site's config and ends what is queued for it, whose content is kept for its time; safe to repeat.
   * `ifIdle`: fails with `conflict` when anything is.
   */
  removeSite(siteId: string, options?: { readonly ifIdle?: boolean }): Promise<Answer<Removal>>;
  config(siteId: string): Promise<Answer<SiteConfigState>>;
  /** Newest first, behind the `next` of an earlier page. */
  configHistory(siteId: string, limit: number, after?: number): Promise<Answer<GenerationPage>>;
  configGeneration(siteId: string, generation: number): Promise<Answer<ConfigGenerationDetail>>;
  publicConfig(siteId: string): Promise<Answer<PublicPart>>;

  /** Begins to move a site to another orchestrator of the organisation; repeated, it is the same move. */
  moveSite(siteId: string, target: string, actor: string): Promise<Answer<SiteMove>>;
  /** A move that was begun here, and goes on when this is asked. */
  siteMove(moveId: string): Promise<Answer<SiteMove>>;
  /** Takes the site back, while the object to which it goes does not own it; safe to repeat. Fails with `conflict` when that does. */
  cancelMove(moveId: string, actor: string): Promise<Answer<SiteMove>>;
  /** Of the object to which a site is moved, told by the one that has it. */
  arrival(message: ArrivalMessage): Promise<Answer<Arrival>>;

  /** @returns whether it is a new one. The value is encrypted before it is written. */
  putSecret(secret: SecretSubmission): Promise<Answer<boolean>>;
  /** By name; never a value. */
  secrets(siteId: string): Promise<Answer<SecretSummary[]>>;
  deleteSecret(siteId: string, name: string): Promise<Answer<null>>;

  /** Rows of the shared tables have changed: fetches them from D1, behind the answer. */
  syncShared(orgId: string): Promise<void>;

  /**
   * `watch`: dashboards look. The Hub is told of all that is open, what ended last and the last events before this
   * is answered, and for 90 s of what changes.
   */
  describe(options?: { readonly watch?: boolean }): Promise<ChannelState>;
  /** How far this object knows its orchestrator, for one who restores that one's database. Uses the token up. */
  standing(claims: ChannelClaims): Promise<Answer<ChannelStanding>>;

  /** Entries that could not be handled, here or on the VPS; behind the `next` of an earlier page. */
  deadLetters(limit: number, after?: string): Promise<Answer<LetterPage>>;
  deadLetter(id: string): Promise<Answer<DeadLetterDetail>>;
  /** Tries it again, or asks the orchestrator to. */
  replayDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>>;
  /** Gives it up, or asks the orchestrator to. */
  dropDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>>;

  receipts(query: ReceiptQuery): Promise<Answer<ReceiptPage>>;
  receipt(id: string): Promise<Answer<ReceiptDetail>>;
  /** Delivers once more what was delivered, is dead or has expired. */
  redeliver(id: string, actor: string): Promise<Answer<Receipt>>;
  eraseReceipt(id: string, actor: string): Promise<Answer<Receipt>>;
  /** Those of a site that are found by `q`, or all of them: one step, from `after` on. */
  eraseReceipts(query: ReceiptQuery & { readonly site: string }, actor: string): Promise<Answer<Erasure>>;

  /** Lets a process with an empty database take the orchestrator over. */
  release(): Promise<ChannelState>;
}

/** The header in which the Worker hands an upgrade's verified claims to the object, as JSON. */
export const CLAIMS_HEADER = 'x-orchestrator-claims';
