import type {
  AdoptPayload,
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
  Orchestrator,
  Receipt,
  ReceiptDetail,
  ReceiptState,
  RollbackPayload,
  SecretSummary,
  SiteConfigState,
  SiteMove,
  SiteQueued,
  StatusReport,
  UpdateConfigPayload,
} from '@clawdbot/protocol';
import type { Answer } from './answer.ts';
import type { ChannelClaims } from './claims.ts';
import type { Arrival, ArrivalMessage } from './move/rpc.ts';
import type { RelayCall, RelayReply, SiteRoutes, StatusCall } from './relay-rpc.ts';

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
  /** Of each lane: this key is revoked, its sockets end. */
  cutKey(kid: string): Promise<void>;
}
