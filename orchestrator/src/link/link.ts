import { DRAIN_MS, type Terms } from '@clawdbot/protocol';
import type { Services } from '../calls/index.ts';
import { aborted, type Clock, pause } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Backoff } from './backoff.ts';
import { Edge } from './edge.ts';
import type { Role } from './role.ts';
import { Session, type SessionEvents } from './session.ts';
import type { Dial, Socket } from './socket.ts';
import { type LinkState, Observable } from './state.ts';
import type { Verdict } from './verdict.ts';

/**
 * An older session waits so long for calls that were on their way when a newer one was welcomed: two connections keep no
 * order, and what the edge sent before it knew of the newer one may come last.
 */
const LINGER_MS = 2_000;

export interface LinkOptions {
  readonly dial: Dial;
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly log: Logger;
  readonly role: Role;
  readonly services: Services;
}

/** A session was welcomed; the promise tells how it ends. */
interface Connected {
  readonly over: Promise<Verdict>;
}

/** Keeps one lane's channel to the edge: dials, greets, redials, and says where it stands. */
export class Link {
  readonly state: Observable<LinkState>;
  readonly edge: Edge;
  readonly #options: LinkOptions;
  readonly #stopping = new AbortController();
  /** All that have not ended, each with what cancels its timer (none: a no-op). */
  readonly #live = new Map<Session, () => void>();
  /** The newest that was welcomed. Older ones in `#live` are drained: they only finish what is open. */
  #session: Session | undefined;
  #refusal: string | undefined;
  /** Set by `stop`. */
  #onIdle: () => void = () => {};
  #unknownFrames = 0;
  /** What the edge's clock shows more than ours, as of the last welcome. */
  #edgeAheadMs = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { clock } = options;
    this.state = new Observable<LinkState>({ kind: 'stopped', since: clock.now() });
    this.edge = new Edge({ clock, state: this.state, calls: () => this.#session?.calls });
  }

  get rttMs(): number | undefined {
    return this.#session?.rttMs;
  }

  /** The edge's time, in milliseconds since the epoch: what it calls expired, it judges by its own clock. */
  get edgeNow(): number {
    return this.#options.clock.now() + this.#edgeAheadMs;
  }

  get callsOpen(): number {
    return [...this.#live.keys()].reduce((sum, session) => sum + session.callsOpen, 0);
  }

  /** Frames of a type that this version does not know, in all sessions. */
  get unknownFrames(): number {
    return [...this.#live.keys()].reduce((sum, session) => sum + session.unknownFrames, this.#unknownFrames);
  }

  /**
   * Keeps the channel up until `stop`. Each cycle: connect, serve until the session ends or the edge announces
   * its end, then do as the verdict says: wait and go on, go on at once, or stay away for good.
   */
  async runUntilStopped(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#obey(await this.#runOneCycle());
    }
    this.state.set({ kind: 'stopped', since: this.#options.clock.now() });
  }

  /** This process must not come back: ends the channel and never dials again. */
  refuse(reason: string): void {
    this.#refusal ??= reason;
    this.#closeAll(reason);
  }

  /** Lets open calls finish, until `graceMs` have passed, then ends the channel. */
  async stop(graceMs: number): Promise<void> {
    for (const session of this.#live.keys()) session.drain('the orchestrator is stopping');
    await this.#callsDone(graceMs);
    this.#stopping.abort();
    this.#closeAll('the orchestrator has stopped');
  }

  publishStatus(): void {
    this.#session?.publishStatus();
  }

  #callsDone(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        resolve();
      };
      const cancel = this.#options.clock.after(graceMs, done);
      this.#onIdle = () => this.callsOpen === 0 && done();
      this.#onIdle();
    });
  }

  async #runOneCycle(): Promise<Verdict> {
    const connected = await this.#ensureConnected();
    return 'over' in connected ? connected.over : connected;
  }

  /** Dials once and says hello. @returns the welcomed session, or what to do instead */
  async #ensureConnected(): Promise<Connected | Verdict> {
    const { clock, dial } = this.#options;
    if (this.#refusal !== undefined) return { after: 'fatal', reason: this.#refusal };
    this.state.set({ kind: 'connecting', since: clock.now() });
    const dialled = await dial(this.#stopping.signal);
    if ('verdict' in dialled) return dialled.verdict;
    this.state.set({ kind: 'greeting', since: clock.now() });
    return this.#greet(dialled.socket);
  }

  #greet(socket: Socket): Promise<Connected | Verdict> {
    const { clock, log, role, services } = this.#options;
    const greeted = Promise.withResolvers<Connected | Verdict>();
    const over = Promise.withResolvers<Verdict>();
    const events: SessionEvents = {
      pushed: (receiptId, parcel) => this.edge.pushed(receiptId, parcel),
      opened: (welcome) => {
        this.#adopt(session, welcome);
        greeted.resolve({ over: over.promise });
      },
      draining: (reason, retryAfterMs) => this.#drained(session, reason, retryAfterMs, over.resolve),
      idle: () => this.#idle(session),
      ended: (verdict) => {
        this.#forget(session);
        greeted.resolve(verdict);
        over.resolve(verdict);
      },
    };
    const { wire } = socket;
    const session = new Session({ wire, clock, log, role, services, events });
    this.#live.set(session, () => {});
    socket.listen(session);
    if (this.#stopping.signal.aborted) this.#closeAll('the orchestrator has stopped');
    return greeted.promise;
  }

  #adopt(session: Session, { fence, sessionId, clockMs }: Terms): void {
    const { clock, backoff, log } = this.#options;
    this.#edgeAheadMs = clockMs - clock.now();
    const older = this.#session;
    this.#session = session;
    backoff.opened();
    log.info('the channel is open', { fence, sessionId });
    this.state.set({ kind: 'open', since: clock.now(), fence, sessionId });
    if (older !== undefined) this.#retire(older);
  }

  /** The edge will end this session: dial the next one when it asks for it. */
  #drained(session: Session, reason: string, retryAfterMs: number, over: (verdict: Verdict) => void): void {
    const { clock, backoff, log } = this.#options;
    const waitMs = backoff.next(retryAfterMs);
    const { value } = this.state;
    log.info('the edge drains the channel', { reason, waitMs });
    if (session === this.#session && value.kind === 'open') {
      this.state.set({
        ...value,
        kind: 'draining',
        reason,
        since: clock.now(),
        redialAt: clock.now() + waitMs,
      });
    }
    this.#arm(session, waitMs, () => over({ after: 'redial', reason }));
  }

  /** A newer session has taken over: this one may finish its open calls. */
  #retire(session: Session): void {
    this.#arm(session, LINGER_MS, () => {
      if (session.callsOpen === 0) session.close('drained', 'a newer session has taken over');
      else this.#arm(session, DRAIN_MS - LINGER_MS, () => session.close('drained', 'the drain is over'));
    });
  }

  #idle(session: Session): void {
    if (session !== this.#session && this.#session !== undefined) this.#retire(session);
    this.#onIdle();
  }

  #forget(session: Session): void {
    this.#live.get(session)?.();
    this.#live.delete(session);
    this.#unknownFrames += session.unknownFrames;
    if (this.#session === session) this.#session = undefined;
    this.#onIdle();
  }

  /** A session has one timer at a time. */
  #arm(session: Session, ms: number, task: () => void): void {
    this.#live.get(session)?.();
    this.#live.set(session, this.#options.clock.after(ms, task));
  }

  #closeAll(reason: string): void {
    for (const session of [...this.#live.keys()]) session.close('goingAway', reason);
  }

  async #obey(told: Verdict): Promise<void> {
    const { clock, backoff, log } = this.#options;
    const { signal } = this.#stopping;
    const verdict: Verdict = this.#refusal === undefined ? told : { after: 'fatal', reason: this.#refusal };
    const { after, reason } = verdict;
    if (signal.aborted || after === 'redial') return;
    if (after === 'fatal') {
      log.error('the channel is refused for good: nothing is dialled until a restart', { reason });
      this.state.set({ kind: 'refused', since: clock.now(), reason });
      return aborted(signal);
    }
    const waitMs = backoff.next(verdict.floorMs);
    log.warn('the channel is down', { reason, waitMs });
    this.state.set({ kind: 'waiting', since: clock.now(), retryAt: clock.now() + waitMs, reason });
    await pause(clock, waitMs, signal);
  }
}
