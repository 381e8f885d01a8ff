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
  type Received,
  type Sql,
  type Status,
  type StatusReport,
} from '@clawdbot/protocol';
import type { OpenAttachment } from './attachment.ts';
import type { ConfigReports } from './config-reports.ts';
import type { Configs } from './configs.ts';
import type { Control } from './control.ts';
import { currentOf } from './current.ts';
import type { EventProjection } from './event-projection.ts';
import type { Greeting } from './greeting.ts';
import type { Handling } from './handling.ts';
import { follow } from './handovers.ts';
import type { Logs } from './logs.ts';
import type { PresenceBook } from './presence.ts';
import type { Receipts } from './receipts.ts';
import type { RelayCall, RelayReply, StatusCall } from './relay-rpc.ts';
import type { Incumbency } from './rpc.ts';
import type { Connected, Session } from './session.ts';
import type { Admitted, LanePort, Refusal } from './session-ports.ts';
import type { State } from './state.ts';
import type { Meta } from './store.ts';
import type { Succession } from './succession.ts';
import type { Supply } from './supply.ts';
import type { News } from './telling.ts';
import type { Waiting } from './waiting.ts';

export interface LaneParts {
  readonly sql: Sql;
  readonly meta: Pick<Meta, 'add'>;
  readonly logs: Logs;
  readonly control: Pick<Control, 'acknowledged'>;
  readonly handling: Handling;
  readonly succession: Succession;
  readonly greeting: Pick<Greeting, 'settled'>;
  readonly configs: Pick<Configs, 'site'>;
  readonly reports: Pick<ConfigReports, 'told'>;
  readonly state: Pick<State, 'tell'>;
  readonly receipts: Pick<Receipts, 'acknowledged'>;
  readonly supply: Supply;
  readonly waiting: Waiting;
  readonly events: Pick<EventProjection, 'projected'>;
  readonly presence: PresenceBook;
  readonly now: () => number;
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
  readonly supply: Supply;
  readonly #parts: LaneParts;
  #queueAcks = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.supply = parts.supply;
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

  /** One with an empty database may connect. A process that still runs dials again and has the orchestrator back. */
  release(): void {
    this.#parts.succession.release();
    this.#current()?.close('drained', 'the orchestrator was released: dial again');
  }

  /** A socket has ended. */
  ended(session: Session, reason: string): void {
    session.end(reason);
    const { state } = session;
    if (state.state !== 'greeting' && this.isCurrent(state.fence)) this.#away(reason);
  }

  async join(): Promise<Refusal> {
    return { close: 'malformed', reason: 'join on lane 0: it is greeted with hello' };
  }

  admit(kid: string, hello: Hello): Admitted | Refusal {
    const { succession, onTakenOver, onConnected } = this.#parts;
    const succeeded = succession.admit(kid, hello);
    if ('close' in succeeded) return succeeded;
    this.#replaceOthers(hello);
    if (succeeded.lanesBefore > 0) onTakenOver(succession.incumbency(), succeeded.lanesBefore);
    onConnected(succeeded.admitted.attachment);
    return succeeded.admitted;
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

  isCurrent(fence: number): boolean {
    return this.#parts.succession.isCurrent(fence);
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
