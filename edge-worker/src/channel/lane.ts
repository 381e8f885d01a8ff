import {
  API_CALLS_PER_WINDOW,
  API_WINDOW_S,
  BODY_CHUNK_BYTES_MAX,
  CALL_DEADLINE_MS,
  CALLS_OPEN_MAX,
  type Entry,
  Failure,
  HEARTBEAT_MS,
  type Hello,
  type Inbox,
  matchRoute,
  type Outbox,
  type Presence,
  type RandomBytes,
  RELAY_BODY_BYTES_MAX,
  SILENCE_MS,
  type Status,
  type StatusReport,
  status as statusSchema,
  TEXT_MESSAGE_BYTES_MAX,
  type Welcome,
} from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';
import { admit } from './admission.ts';
import type { OpenAttachment } from './attachment.ts';
import type { Blobs } from './blobs.ts';
import type { Configs } from './configs.ts';
import type { Control } from './control.ts';
import type { PresenceBook } from './presence.ts';
import type { ChannelState, RelayCall, RelayReply, StatusCall } from './rpc.ts';
import type { Connected, LanePort, Refusal, Session } from './session.ts';
import type { Meta } from './store.ts';

export interface LaneParts {
  readonly orchestratorId: string;
  readonly lane: number;
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly control: Control;
  readonly configs: Configs;
  readonly blobs: Blobs;
  readonly presence: PresenceBook;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly sessions: () => Connected[];
  /** Presence or status has changed: tell who watches. */
  readonly publish: (presence: Presence, status: Status | undefined) => void;
}

/** A heartbeat may be late by a slow network's hiccup before its socket is given up. */
const HEARTBEAT_SLACK_MS = 10_000;

/** One lane of one orchestrator: which session is the current one, and what goes over it. */
export class Lane implements LanePort {
  readonly #parts: LaneParts;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** The object was built, and its sockets are known: puts right what happened while it was not there. */
  wake(): void {
    this.#parts.control.handleInbox();
    const { state } = this.#parts.presence.current;
    // The sockets of an edge that stopped are gone without a word; what was kept must not say otherwise.
    if (state === 'online' && this.#current() === undefined) this.#away('the edge restarted');
    if (state === 'draining' && this.#parts.sessions().length === 0) this.#away('the edge restarted');
  }

  relay(call: RelayCall): Promise<RelayReply> {
    const ownMs = call.siteId === undefined ? CALL_DEADLINE_MS : this.#routeDeadline(call.siteId, call);
    const deadlineMs = Math.min(ownMs, call.deadlineMs);
    return this.#reachable().relay(call, deadlineMs);
  }

  getStatus(call: StatusCall): Promise<StatusReport> {
    this.#parts.configs.site(call.siteId);
    return this.#reachable().getStatus(call);
  }

  cancelCall(requestId: string): void {
    for (const { session } of this.#parts.sessions()) session.cancelCall(requestId);
  }

  /** New entries are in the log: send them, if there is someone to send them to. */
  pump(): void {
    this.#current()?.pump();
  }

  describe(): ChannelState {
    const { orchestratorId, meta, outbox, presence } = this.#parts;
    this.#current();
    const kept = this.#status();
    const instanceId = meta.text('instance');
    const version = meta.text('version');
    return {
      id: orchestratorId,
      presence: presence.current,
      fence: meta.number('fence'),
      generation: meta.number('generation'),
      ...(instanceId === undefined ? {} : { instanceId }),
      ...(version === undefined ? {} : { version }),
      queues: { control: outbox.depth },
      ...(kept === undefined ? {} : { status: kept }),
      wakes: meta.number('wakes'),
      unknownFrames: meta.number('unknown_frames'),
    };
  }

  /** What the orchestrator last said of a site. */
  running(siteId: string): { generation: number; digest: string } | undefined {
    const site = this.#status()?.sites.find((entry) => entry.siteId === siteId);
    return site === undefined ? undefined : { generation: site.generation, digest: site.digest };
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

  admit(session: Session, hello: Hello): { attachment: OpenAttachment; welcome: Welcome } | Refusal {
    const { meta, inbox, orchestratorId, lane } = this.#parts;
    const { peerLogId, applied } = inbox.position();
    const admission = admit(hello, {
      orchestratorId,
      lane,
      applied,
      generation: meta.number('generation'),
      instanceId: meta.text('instance'),
      logId: peerLogId,
    });
    if (!admission.admit) return admission;
    const fence = this.#takeOver(session, hello);
    const since = this.#parts.now();
    const sessionId = hexOf(this.#parts.random(16));
    const { kid } = session.state;
    const attachment: OpenAttachment = {
      v: 1,
      state: 'open',
      kid,
      sessionId,
      fence,
      instanceId: hello.instanceId,
      since,
    };
    return { attachment, welcome: this.#welcome(admission.protocol, sessionId, fence, hello) };
  }

  receive(entries: readonly Entry[]): { ok: boolean; applied: number } {
    const received = this.#parts.inbox.receive(entries);
    if (received.ok && received.fresh > 0) this.#parts.control.handleInbox();
    return received;
  }

  acknowledged(applied: number): void {
    this.#parts.control.acknowledged(applied);
  }

  nextBatch(): Entry[] {
    return this.#parts.outbox.nextBatch();
  }

  blobPart(sha256: string, part: number): Uint8Array {
    return this.#parts.blobs.part(sha256, part);
  }

  isCurrent(fence: number): boolean {
    return fence === this.#parts.meta.number('fence');
  }

  onStatus(status: Status): void {
    this.#parts.meta.set('status', JSON.stringify(status));
    this.#parts.publish(this.#parts.presence.current, status);
  }

  onDrain(session: Session, reason: string): void {
    const { state } = session;
    if (state.state !== 'greeting' && this.isCurrent(state.fence)) this.#setPresence('draining', reason);
  }

  onUnknown(count: number): void {
    this.#parts.meta.add('unknown_frames', count);
  }

  #welcome(protocol: number, sessionId: string, fence: number, hello: Hello): Welcome {
    const { inbox, outbox, control, now } = this.#parts;
    const theirs = hello.logs.control;
    if (theirs.peerLogId === outbox.logId && theirs.applied > outbox.position().last) {
      // This object was restored: new entries under old positions would be passed over, and acknowledged.
      console.warn(
        'the orchestrator has applied more of this log than there is: it is a new log from here on',
      );
      outbox.renew(hexOf(this.#parts.random(16)));
    }
    const { applied, resync } = inbox.follow(theirs.logId, theirs.oldest);
    if (resync !== undefined) console.warn(`resync: ${resync}`);
    const known = theirs.peerLogId === outbox.logId;
    // Before anything was acknowledged there is nothing that a new database could lack.
    if (!known && outbox.acked > 0) control.resync((siteId) => this.running(siteId)?.generation);
    outbox.resume(known ? theirs.applied : outbox.acked);
    return {
      type: 'welcome',
      protocol,
      sessionId,
      fence,
      heartbeatMs: HEARTBEAT_MS,
      clockMs: now(),
      limits: {
        textMessageBytes: TEXT_MESSAGE_BYTES_MAX,
        bodyChunkBytes: BODY_CHUNK_BYTES_MAX,
        relayBodyBytes: RELAY_BODY_BYTES_MAX,
        callsOpen: CALLS_OPEN_MAX,
      },
      apiBudget: { calls: API_CALLS_PER_WINDOW, windowS: API_WINDOW_S },
      // Who does not follow this log yet begins behind what is acknowledged: that was done, or is done anew.
      logs: {
        control: {
          ...outbox.position(),
          ...(known ? {} : { oldest: outbox.acked + 1 }),
          peerLogId: theirs.logId,
          applied,
        },
      },
    };
  }

  /** The newest process has the orchestrator from here on; older sockets end, unless they are draining. */
  #takeOver(session: Session, hello: Hello): number {
    const { meta } = this.#parts;
    const fence = meta.add('fence', 1);
    meta.set('generation', hello.generation);
    meta.set('instance', hello.instanceId);
    meta.set('version', hello.version);
    for (const { session: other } of this.#parts.sessions()) {
      if (other === session || other.state.state !== 'open') continue;
      if (other.state.instanceId === hello.instanceId)
        other.close('replaced', 'this process has dialled again');
      else other.close('superseded', `generation ${hello.generation} has taken over`);
    }
    this.#setPresence('online', `generation ${hello.generation} is connected`);
    return fence;
  }

  /**
   * The deadline of a site's request: its route's. Whether any route takes it is for the orchestrator to say, by
   * the config that runs there: the desired one may have been refused.
   */
  #routeDeadline(siteId: string, call: RelayCall): number {
    const site = this.#parts.configs.site(siteId);
    if (site.paused) throw new Failure('site_paused', 'this site is paused', { retryAfterMs: 60_000 });
    const path = call.url.split('?', 1)[0] ?? call.url;
    return matchRoute(site.config.routes, call.method, path)?.timeoutMs ?? CALL_DEADLINE_MS;
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
    for (const { session, heartbeatAt } of this.#parts.sessions()) {
      const { state } = session;
      if (state.state !== 'open' || !this.isCurrent(state.fence)) continue;
      const seen = Math.max(heartbeatAt ?? 0, session.heardAt, state.since);
      if (this.#parts.now() - seen <= SILENCE_MS + HEARTBEAT_SLACK_MS) return session;
      session.close('unresponsive', 'its heartbeat stopped');
    }
    return undefined;
  }

  #status(): Status | undefined {
    const kept = this.#parts.meta.text('status');
    const read = kept === undefined ? undefined : statusSchema.safeParse(JSON.parse(kept));
    return read?.success ? read.data : undefined;
  }

  #away(reason: string): void {
    this.#setPresence('away', reason);
  }

  #setPresence(state: Presence['state'], reason: string): void {
    if (this.#parts.presence.set(state, reason))
      this.#parts.publish(this.#parts.presence.current, this.#status());
  }
}
