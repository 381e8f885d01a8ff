import {
  Failure,
  type Hello,
  type Join,
  ProtocolError,
  type RandomBytes,
  type StatusReport,
} from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';
import { admitJoin } from './admission.ts';
import type { OpenAttachment } from './attachment.ts';
import { currentOf } from './current.ts';
import { joinedOf } from './greeting.ts';
import { follow } from './handovers.ts';
import type { RelayCall, RelayReply, StatusCall } from './relay-rpc.ts';
import type { Incumbency } from './rpc.ts';
import type { Connected, Session } from './session.ts';
import type { JoinedLane, LanePort, Refusal } from './session-ports.ts';
import { callSupply, type Supply } from './supply.ts';

export interface CallLaneParts {
  readonly orchestratorId: string;
  /** From 1. */
  readonly lane: number;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly sessions: () => Connected[];
  readonly tallies: Supply['tallies'];
  /** Asks lane 0's object who has the orchestrator. Rejects when it does not answer in time. */
  readonly incumbency: () => Promise<Incumbency>;
  /** A session opens: see to its end. */
  readonly onConnected: (state: OpenAttachment) => void;
  /** Goes on behind the answer. */
  readonly background: (task: Promise<unknown>) => void;
}

/** A process that was superseded while this object could not be told loses its session this soon. */
const CHECK_MS = 10_000;
/** The orchestrator's own backoff brings a lane back within 4 s in an outage's first minute. */
const AWAY_RETRY_MS = 5_000;

/**
 * A lane beyond 0: it carries calls, and keeps nothing but the sessions on its sockets. Who may have one is lane 0's
 * to say: it is asked at each `join`, and it says when a newer process has taken over (PROTOCOL S13).
 */
export class CallLane implements LanePort {
  readonly supply: Supply;
  readonly #parts: CallLaneParts;
  /** The highest that lane 0 has told. In memory: what it is needed for, an open question, keeps the object there. */
  #fence = 0;
  #checkedAt = 0;
  #whyAway = 'it has not joined';

  constructor(parts: CallLaneParts) {
    this.#parts = parts;
    this.supply = callSupply(parts.tallies, (what) => this.#foreign(what));
  }

  relay(call: RelayCall): Promise<RelayReply> {
    return this.#reachable().relay(call, call.deadlineMs);
  }

  getStatus(call: StatusCall): Promise<StatusReport> {
    return this.#reachable().getStatus(call);
  }

  get isReachable(): boolean {
    return this.#current() !== undefined;
  }

  cancelCall(requestId: string): void {
    for (const { session } of this.#parts.sessions()) session.cancelCall(requestId);
  }

  /** This process has the orchestrator: sessions of those before it end, unless they drain. */
  supersede({ fence, instanceId, generation }: Incumbency): void {
    this.#fence = Math.max(this.#fence, fence);
    for (const { session } of this.#parts.sessions()) {
      const { state } = session;
      // A higher one is of a process that has come since.
      if (state.state !== 'open' || state.fence >= fence || state.instanceId === instanceId) continue;
      session.close('superseded', `generation ${generation} has taken over`);
    }
  }

  ended(session: Session, reason: string): void {
    session.end(reason);
    this.#whyAway = reason;
  }

  async join(kid: string, join: Join): Promise<JoinedLane | Refusal> {
    try {
      const incumbent = await this.#parts.incumbency();
      return this.#decide(kid, join, incumbent);
    } catch (error) {
      console.warn('lane 0 could not be asked who has the orchestrator', error);
      return { close: 'internal', reason: 'lane 0 could not be asked: dial again' };
    }
  }

  admit(_kid: string, _hello: Hello): Refusal {
    return { close: 'malformed', reason: `hello on lane ${this.#parts.lane}: it is joined` };
  }

  #decide(kid: string, join: Join, incumbent: Incumbency): JoinedLane | Refusal {
    const { fence } = incumbent;
    // Lane 0 has admitted another process since it answered.
    if (fence < this.#fence) return { close: 'tooEarly', reason: 'another process has just taken over' };
    const admission = admitJoin(join, this.#parts, incumbent);
    if (!admission.admit) return admission;
    this.supersede(incumbent);
    this.#replaceOthers(join.instanceId);
    const { now, random } = this.#parts;
    const { instanceId } = join;
    const [since, sessionId] = [now(), hexOf(random(16))];
    this.#checkedAt = since;
    const attachment: OpenAttachment = {
      v: 1,
      state: 'open',
      kid,
      sessionId,
      fence,
      instanceId,
      since,
      logs: [],
    };
    this.#parts.onConnected(attachment);
    return {
      attachment,
      joined: joinedOf({ protocol: admission.protocol, sessionId, fence, clockMs: since }),
    };
  }

  #replaceOthers(instanceId: string): void {
    for (const { session } of this.#parts.sessions()) {
      const { state } = session;
      if (state.state === 'open' && state.instanceId === instanceId) follow(session, this.#parts.now());
    }
  }

  /** Throws `Failure('orchestrator_away')` when nobody is there to answer. */
  #reachable(): Session {
    const { lane, now, background } = this.#parts;
    const session = this.#current();
    if (session === undefined) {
      throw new Failure('orchestrator_away', `lane ${lane} is away: ${this.#whyAway}`, {
        retryAfterMs: AWAY_RETRY_MS,
        execution: 'not_started',
      });
    }
    if (now() - this.#checkedAt > CHECK_MS) {
      this.#checkedAt = now();
      background(this.#check().catch((error) => console.warn('lane 0 could not be asked', error)));
    }
    return session;
  }

  #current(): Session | undefined {
    return currentOf(this.#parts.sessions(), () => true, this.#parts.now());
  }

  /** Behind an answer: lane 0 may have failed to say that another process has taken over. */
  async #check(): Promise<void> {
    const incumbent = await this.#parts.incumbency();
    // Released: whoever dials lane 0 next decides.
    if (incumbent.instanceId !== undefined) this.supersede(incumbent);
  }

  isCurrent(): boolean {
    return true; // What it would let in is refused below: nothing durable crosses here.
  }
  onDrain(_fence: number, reason: string): void {
    this.#whyAway = reason;
  }
  onUnknown(): void {}

  onStatus(): never {
    throw this.#foreign('status');
  }
  receive(): never {
    throw this.#foreign('entry');
  }
  acknowledged(): never {
    throw this.#foreign('ack');
  }
  nextBatch(): never {
    throw this.#foreign('a log');
  }
  resynced(): void {}
  /** No customer of a stored request waits here. */
  readonly isAwaited = false;

  #foreign(what: string): ProtocolError {
    return new ProtocolError('malformed', `${what} on lane ${this.#parts.lane}: it is lane 0's`);
  }
}
