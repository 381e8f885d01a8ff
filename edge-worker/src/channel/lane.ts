import {
  BATCH_ENTRIES_MAX,
  CALL_DEADLINE_MS,
  CALL_DEADLINE_MS_MAX,
  type Entry,
  Failure,
  type Hello,
  type LogName,
  PARCEL_PUSH_BYTES_MAX,
  type Presence,
  type RandomBytes,
  type ReceiptAnswer,
  type Received,
  type Sql,
  type Status,
  type StatusReport,
} from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';
import { admit } from './admission.ts';
import type { OpenAttachment } from './attachment.ts';
import type { Blobs } from './blobs.ts';
import type { ConfigReports } from './config-reports.ts';
import type { Configs } from './configs.ts';
import type { Control } from './control.ts';
import { currentOf } from './current.ts';
import type { EventProjection } from './event-projection.ts';
import { type Greeting, welcomeOf } from './greeting.ts';
import type { Handling } from './handling.ts';
import { follow } from './handovers.ts';
import type { Intake } from './intake.ts';
import { LOGS_IN_ORDER, type Logs } from './logs.ts';
import type { Parcels } from './parcels.ts';
import type { PresenceBook } from './presence.ts';
import { isOpen } from './receipt-row.ts';
import type { Receipts } from './receipts.ts';
import type { Incumbency, RelayCall, RelayReply, StatusCall } from './rpc.ts';
import type { Secret, Secrets } from './secrets.ts';
import type { Connected, Session } from './session.ts';
import type { Admitted, LanePort, Refusal } from './session-ports.ts';
import type { State } from './state.ts';
import type { Meta } from './store.ts';
import type { GetTally, Tallies, Tally } from './tallies.ts';
import type { News } from './telling.ts';
import type { Waiting } from './waiting.ts';

export interface LaneParts {
  readonly orchestratorId: string;
  readonly lane: number;
  readonly sql: Sql;
  readonly meta: Meta;
  readonly logs: Logs;
  readonly control: Pick<Control, 'acknowledged'>;
  readonly handling: Handling;
  readonly greeting: Greeting;
  readonly configs: Pick<Configs, 'site'>;
  readonly reports: Pick<ConfigReports, 'told'>;
  readonly state: Pick<State, 'tell'>;
  readonly blobs: Pick<Blobs, 'part'>;
  readonly secrets: Pick<Secrets, 'get'>;
  readonly receipts: Pick<Receipts, 'acknowledged' | 'get'>;
  readonly parcels: Pick<Parcels, 'part'>;
  readonly intake: Pick<Intake, 'answered'>;
  readonly waiting: Waiting;
  readonly events: Pick<EventProjection, 'projected'>;
  readonly presence: PresenceBook;
  readonly tallies: Pick<Tallies, 'tally'>;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly sessions: () => Connected[];
  /** A newer process has the orchestrator: end the sessions of those before it on the lanes 1 to `lanes` - 1. */
  readonly onTakenOver: (by: Incumbency, lanes: number) => void;
  /** A session opens: see to what may have waited for one, and to its end. */
  readonly onConnected: (state: OpenAttachment) => void;
  /** Dashboards may want to know. */
  readonly onNews: (news: News) => void;
}

/** Entries of the queue log that may go at a time: more than the acknowledgements between usually cover. */
const COMPACT_ROWS = 4 * BATCH_ENTRIES_MAX;
const COMPACT_EVERY = 64;

/** One lane of one orchestrator: which session is the current one, and what goes over it. */
export class Lane implements LanePort {
  readonly #parts: LaneParts;
  #queueAcks = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** The object was built, and its sockets are known: puts right what happened while it was not there. */
  wake(): void {
    this.#parts.handling.run();
    const { state } = this.#parts.presence.current;
    // The sockets of an edge that stopped are gone without a word; what was kept must not say otherwise.
    if (state === 'online' && this.#current() === undefined) this.#away('the edge restarted');
    if (state === 'draining' && this.#parts.sessions().length === 0) this.#away('the edge restarted');
  }

  /** @param timeoutMs of the call's route, if that has one of its own */
  relay(call: RelayCall, timeoutMs = CALL_DEADLINE_MS): Promise<RelayReply> {
    const deadlineMs = Math.min(timeoutMs, call.deadlineMs, CALL_DEADLINE_MS_MAX);
    return this.#reachable().relay(call, deadlineMs);
  }

  getStatus(call: StatusCall): Promise<StatusReport> {
    this.#parts.configs.site(call.siteId);
    return this.#reachable().getStatus(call);
  }

  /** A customer waits for what this leads to: it goes with its entry, if it is small. */
  pushParcel(receiptId: string, parcel: Uint8Array): void {
    if (parcel.length <= PARCEL_PUSH_BYTES_MAX) this.#current()?.pushParcel(receiptId, parcel);
  }

  /** Is somebody there to take new work? */
  get isReachable(): boolean {
    return this.#current() !== undefined;
  }

  get isAwaited(): boolean {
    return this.#parts.waiting.size > 0;
  }

  cancelCall(requestId: string): void {
    this.#parts.waiting.forget(requestId);
    for (const { session } of this.#parts.sessions()) session.cancelCall(requestId);
  }

  /** New entries are in the log: send them, if there is someone to send them to. */
  pump(): void {
    this.#current()?.pump();
  }

  /** D1 may have more of the orchestrator's events: tell it. */
  tellProjected(): void {
    const { peerLogId, applied } = this.#parts.logs.control.inbox.position();
    if (peerLogId !== undefined) this.#current()?.projected(applied, this.#parts.events.projected(peerLogId));
  }

  /** Looks at the heartbeat: an orchestrator that died without a word is away from here on. */
  look(): void {
    this.#current();
  }

  /**
   * Forgets the newest process: its database was lost, and one with an empty database may connect. A process
   * that still runs dials again and has the orchestrator back.
   */
  release(): void {
    const { meta } = this.#parts;
    meta.set('generation', 0);
    meta.set('instance', null);
    this.#current()?.close('drained', 'the orchestrator was released: dial again');
  }

  /** A socket has ended. */
  ended(session: Session, reason: string): void {
    session.end(reason);
    const { state } = session;
    if (state.state !== 'greeting' && this.isCurrent(state.fence)) this.#away(reason);
  }

  /** Who has the orchestrator, for the objects of its other lanes. */
  incumbency(): Incumbency {
    const { meta } = this.#parts;
    const instanceId = meta.text('instance');
    return {
      generation: meta.number('generation'),
      ...(instanceId === undefined ? {} : { instanceId }),
      fence: meta.number('fence'),
    };
  }

  async join(): Promise<Refusal> {
    return { close: 'malformed', reason: 'join on lane 0: it is greeted with hello' };
  }

  admit(kid: string, hello: Hello): Admitted | Refusal {
    const { sql, meta, logs, orchestratorId, lane, greeting } = this.#parts;
    const admission = admit(hello, {
      orchestratorId,
      lane,
      generation: meta.number('generation'),
      instanceId: meta.text('instance'),
      followed: (log) => logs[log].inbox.position(),
      isRetired: (log, logId) => logs[log].inbox.isRetired(logId),
    });
    if (!admission.admit) return admission;
    const before = { generation: meta.number('generation'), lanes: meta.number('lanes') };
    const { fence, agreed } = sql.transaction(() => ({
      agreed: greeting.agree(hello),
      fence: this.#note(hello),
    }));
    this.#replaceOthers(hello);
    if (hello.generation > before.generation)
      this.#parts.onTakenOver(this.incumbency(), Math.max(before.lanes, meta.number('lanes')));
    const { instanceId } = hello;
    const since = this.#parts.now();
    const sessionId = hexOf(this.#parts.random(16));
    const offered = LOGS_IN_ORDER.filter((log) => hello.logs[log] !== undefined);
    const attachment: OpenAttachment = {
      v: 1,
      state: 'open',
      kid,
      sessionId,
      fence,
      instanceId,
      since,
      logs: offered,
    };
    this.#parts.onConnected(attachment);
    return {
      attachment,
      welcome: welcomeOf({
        protocol: admission.protocol,
        sessionId,
        fence,
        clockMs: since,
        sharers: Math.max(1, this.#parts.meta.number('api_sharers')),
        logs: agreed.logs,
      }),
      resync: agreed.resync,
    };
  }

  receive(log: LogName, entries: readonly Entry[]): Received {
    const received = this.#parts.handling.receive(log, entries);
    if (received.ok && received.fresh > 0) this.#parts.onNews('logs');
    return received;
  }

  acknowledged(log: LogName, applied: number): void {
    if (log === 'control') this.#parts.control.acknowledged(applied);
    else this.#queueAcknowledged(applied);
    this.#parts.onNews('counts');
  }

  nextBatch(log: LogName): Entry[] {
    return this.#parts.logs[log].outbox.nextBatch();
  }

  resynced(): void {
    this.#parts.greeting.settled();
  }

  blobPart(sha256: string, part: number): Uint8Array {
    return this.#parts.blobs.part(sha256, part);
  }

  secret(siteId: string, name: string): Promise<Secret> {
    return this.#parts.secrets.get(siteId, name);
  }

  tally(asked: GetTally): Tally {
    return this.#parts.tallies.tally(asked);
  }

  /** Asked of a receipt that is settled, it says so: the orchestrator has nothing to deliver then. */
  async parcelPart(receiptId: string, part: number): Promise<Uint8Array> {
    const { state } = this.#parts.receipts.get(receiptId).receipt;
    if (!isOpen(state))
      throw new Failure('not_found', `the request is ${state}: there is nothing to deliver`);
    return this.#parts.parcels.part(receiptId, part);
  }

  onReceiptAnswer(answer: ReceiptAnswer): boolean {
    return this.#parts.intake.answered(answer);
  }

  isCurrent(fence: number): boolean {
    return fence === this.#parts.meta.number('fence');
  }

  onStatus(status: Status): void {
    const { sql, state, reports } = this.#parts;
    sql.transaction(() => {
      state.tell(status);
      reports.told(status.sites);
    });
    this.#parts.onNews('status');
  }

  onDrain(fence: number, reason: string): void {
    if (this.isCurrent(fence)) this.#setPresence('draining', reason);
  }

  onUnknown(count: number): void {
    this.#parts.meta.add('unknown_frames', count);
  }

  #queueAcknowledged(applied: number): void {
    const { sql, logs, receipts } = this.#parts;
    sql.transaction(() => {
      logs.queue.outbox.acknowledge(applied);
      receipts.acknowledged(applied);
      // Looking for what may go costs more than the rest: not with each of a customer's requests.
      if (++this.#queueAcks % COMPACT_EVERY === 0) logs.queue.outbox.compact(COMPACT_ROWS);
    });
  }

  /** The newest process has the orchestrator from here on. @returns its session's fence */
  #note({ generation, instanceId, version, lanes }: Hello): number {
    const { meta } = this.#parts;
    meta.set('lanes', Math.min(lanes, Math.max(1, meta.number('lanes_granted'))));
    meta.set('generation', generation);
    meta.set('instance', instanceId);
    meta.set('version', version);
    return meta.add('fence', 1);
  }

  /** Older sockets end, unless they drain. The one that said hello is not open yet. */
  #replaceOthers({ instanceId, generation }: Hello): void {
    for (const { session: other } of this.#parts.sessions()) {
      if (other.state.state !== 'open') continue;
      if (other.state.instanceId === instanceId) follow(other, this.#parts.now());
      else other.close('superseded', `generation ${generation} has taken over`);
    }
    this.#setPresence('online', `generation ${generation} is connected`);
  }

  /** Throws `Failure('orchestrator_away')` when nobody is there to answer. */
  #reachable(): Session {
    const session = this.#current();
    if (session !== undefined) return session;
    const { state, reason } = this.#parts.presence.current;
    const why = reason === undefined ? '' : `: ${reason}`;
    throw new Failure(
      'orchestrator_away',
      `the orchestrator is ${state === 'never' ? 'not connected yet' : state}${why}`,
      {
        retryAfterMs: this.#parts.presence.retryAfterMs(),
        execution: 'not_started',
      },
    );
  }

  /** The session that takes new work. One whose heartbeat has stopped is given up on the way. */
  #current(): Session | undefined {
    const { sessions, now } = this.#parts;
    return currentOf(sessions(), ({ fence }) => this.isCurrent(fence), now());
  }

  #away(reason: string): void {
    this.#setPresence('away', reason);
  }

  #setPresence(state: Presence['state'], reason: string): void {
    // Who is not there answers nobody; what is drained may, but a receipt now is better than that later.
    if (state !== 'online') this.#parts.waiting.allLater();
    if (this.#parts.presence.set(state, reason)) this.#parts.onNews('presence');
  }
}
