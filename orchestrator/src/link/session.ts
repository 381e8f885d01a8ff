import {
  CLOSE,
  type CloseName,
  closeReason,
  decodeChunk,
  type ErrorCode,
  Failure,
  FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  HELLO_TIMEOUT_MS,
  type Joined,
  orchestratorCodec,
  PONG,
  ProtocolError,
  type Terms,
  type Welcome,
  type Wire,
} from '@clawdbot/protocol';
import { Calls, type OutgoingCalls, type Services } from '../calls/index.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { LeaseLost } from '../store/index.ts';
import { Control, type ControlFrame } from './control.ts';
import { Heartbeat } from './heartbeat.ts';
import { OlderCopy } from './log.ts';
import type { ControlRole, Role } from './role.ts';
import type { LogFaults } from './stream.ts';
import { type Verdict, verdictOfClose } from './verdict.ts';

export interface SessionOptions {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly log: Logger;
  readonly role: Role;
  readonly services: Services;
  readonly events: SessionEvents;
}

/** Called from within the session's own calls, one at a time. */
export interface SessionEvents {
  opened(terms: Terms): void;
  /** The edge has sent a parcel without being asked. */
  pushed(receiptId: string, parcel: Uint8Array): void;
  /** The edge asks for the next session, to be dialled after `retryAfterMs`; until that is open it goes on here. */
  draining(reason: string, retryAfterMs: number): void;
  /** No call is open. */
  idle(): void;
  /** Once, and last. */
  ended(verdict: Verdict): void;
}

/** What exists from `welcome` or `joined` on. */
interface Open {
  readonly kind: 'open' | 'draining';
  readonly heartbeat: Heartbeat;
}
type Phase =
  | { readonly kind: 'greeting'; readonly cancelTimeout: () => void }
  | Open
  | { readonly kind: 'ended' };

/** What the edge may say before the session is open. */
const BEFORE_WELCOME: ReadonlySet<FrameToOrchestrator['type']> = new Set([
  'welcome',
  'joined',
  'drain',
  'error',
  'probe',
]);

/**
 * The protocol on one socket, from `hello` to the close. It sees a `Wire` and a clock, never a socket: whoever
 * owns the socket hands on what arrives, in order, and says when it is gone.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #sender: FrameSender<FrameToEdge>;
  readonly #calls: Calls;
  /** Of lane 0. */
  readonly #control: Control | undefined;
  #phase: Phase;
  /** Of the last complaint or drain: a close carries none of its own. */
  #retryAfterMs: number | undefined;
  #unknownFrames = 0;

  constructor(options: SessionOptions) {
    const { wire, clock, services, log, role } = options;
    // First: it reads the database, and what it throws must leave no timer behind.
    const greeting = role.greeting();
    this.#options = options;
    this.#sender = new FrameSender(wire, orchestratorCodec.encode, clock.defer);
    if (role.kind === 'control') this.#control = this.#createControl(role);
    const onIdle = () => options.events.idle();
    this.#calls = new Calls({ sender: this.#sender, services, clock, log, onIdle });
    const cancelTimeout = clock.after(HELLO_TIMEOUT_MS, () =>
      this.#fail('helloTimeout', 'no welcome in time'),
    );
    this.#phase = { kind: 'greeting', cancelTimeout };
    this.#sender.pushNow(greeting);
  }

  /** What this side may ask of the edge while the session lasts. */
  get calls(): OutgoingCalls {
    return this.#calls;
  }

  get callsOpen(): number {
    return this.#calls.open;
  }

  get rttMs(): number | undefined {
    return this.#open()?.heartbeat.rttMs;
  }

  /** Frames of a type that this version does not know. */
  get unknownFrames(): number {
    return this.#unknownFrames;
  }

  receiveText(text: string): void {
    if (text === PONG) {
      this.#open()?.heartbeat.pong();
      return;
    }
    this.#receive(() => {
      const { frames, unknown } = orchestratorCodec.decode(text);
      this.#unknownFrames += unknown;
      for (const frame of frames) {
        if (this.#phase.kind === 'ended') return;
        this.#on(frame);
      }
    });
  }

  receiveBytes(bytes: Uint8Array): void {
    this.#receive(() => {
      this.#calls.chunk(decodeChunk(bytes));
    });
  }

  /** The socket is gone, by whoever's hand. */
  closed(code: number, reason: string): void {
    this.#end(verdictOfClose(code, reason, this.#retryAfterMs));
  }

  /** Ends the session from this side. */
  close(name: CloseName, reason: string): void {
    this.#fail(name, reason);
  }

  /** This process is stopping: the edge is asked to send nothing new, and what is open goes on. */
  drain(reason: string): void {
    if (this.#phase.kind === 'ended') return;
    this.#calls.stopAdmitting();
    this.#sender.pushNow({ type: 'drain', reason });
  }

  /** Sends the status, soon, on lane 0. */
  publishStatus(): void {
    this.#control?.publishStatus();
  }

  #createControl(role: ControlRole): Control {
    const faults: LogFaults = {
      gap: (message) => this.#refuse('bad_request', message),
      failed: (error) => this.#fault(error),
    };
    const isOpen = () => this.#phase.kind === 'open';
    return new Control({ role, sender: this.#sender, clock: this.#options.clock, faults, isOpen });
  }

  #open(): Open | undefined {
    return this.#phase.kind === 'open' || this.#phase.kind === 'draining' ? this.#phase : undefined;
  }

  #receive(read: () => void): void {
    if (this.#phase.kind === 'ended') return;
    this.#open()?.heartbeat.heard();
    try {
      read();
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.#fail(error.close, error.message);
        return;
      }
      this.#fault(error);
    }
  }

  #on(frame: FrameToOrchestrator): void {
    if (this.#phase.kind === 'greeting' && !BEFORE_WELCOME.has(frame.type)) {
      throw new ProtocolError('malformed', `${frame.type} before welcome`);
    }
    switch (frame.type) {
      case 'welcome':
        this.#welcome(frame);
        return;
      case 'joined':
        this.#joined(frame);
        return;
      case 'probe':
        this.#probed(frame);
        return;
      case 'drain':
        this.#drained(frame.reason, frame.retryAfterMs ?? 0);
        return;
      case 'error':
        this.#complaint(frame);
        return;
      case 'resync':
      case 'entry':
      case 'ack':
        this.#controlOf(frame).on(frame);
        return;
      case 'parcel':
        this.#options.events.pushed(frame.receiptId, Buffer.from(frame.data, 'base64'));
        return;
      case 'request':
      case 'get_status':
      case 'secret':
      case 'tally':
      case 'end':
      case 'cancel':
      case 'credit':
        this.#calls.on(frame);
        return;
      default:
        frame satisfies never;
    }
  }

  /** Throws for what is lane 0's and has come on another (PROTOCOL S13). */
  #controlOf({ type }: Welcome | ControlFrame): Control {
    if (this.#control !== undefined) return this.#control;
    throw new ProtocolError('malformed', `${type} on a lane that carries calls only`);
  }

  #probed(probe: Extract<FrameToOrchestrator, { type: 'probe' }>): void {
    const echo = () => this.#sender.pushNow(probe);
    if (this.#control === undefined) echo();
    else this.#control.probed(echo);
  }

  #welcome(welcome: Welcome): void {
    const control = this.#controlOf(welcome);
    this.#begin(welcome, () => control.attach(welcome.logs));
    control.begin(welcome);
  }

  #joined(joined: Joined): void {
    if (this.#control !== undefined) throw new ProtocolError('malformed', 'joined on lane 0');
    this.#begin(joined, () => {});
  }

  /** The session is open from here on. */
  #begin(terms: Terms, attach: () => void): void {
    if (this.#phase.kind !== 'greeting') throw new ProtocolError('malformed', 'a second welcome');
    const { clock, events, wire } = this.#options;
    this.#phase.cancelTimeout();
    attach();
    const heartbeat = new Heartbeat({
      clock,
      heartbeatMs: terms.heartbeatMs,
      send: (text) => wire.sendText(text),
      onSilent: () => this.#fail('abnormal', 'the edge fell silent'),
    });
    this.#phase = { kind: 'open', heartbeat };
    events.opened(terms);
  }

  #drained(reason: string, retryAfterMs: number): void {
    this.#retryAfterMs = retryAfterMs;
    const open = this.#open();
    if (open === undefined || open.kind === 'draining') return;
    this.#phase = { ...open, kind: 'draining' };
    this.#options.events.draining(reason, retryAfterMs);
  }

  #complaint({ id, error }: Extract<FrameToOrchestrator, { type: 'error' }>): void {
    if (id !== undefined) {
      this.#calls.failed(id, error);
      return;
    }
    this.#retryAfterMs = error.retryAfterMs ?? this.#retryAfterMs;
    this.#options.log.warn('the edge complains', { code: error.code, detail: error.message });
  }

  /** Says what is wrong, then closes as malformed. */
  #refuse(code: ErrorCode, message: string): void {
    this.#sender.pushNow({ type: 'error', error: new Failure(code, message).toWire() });
    this.#fail('malformed', message);
  }

  /** Something on this side failed: only what names a reason to stay away is fatal. */
  #fault(error: unknown): void {
    const { log, wire } = this.#options;
    if (error instanceof LeaseLost || error instanceof OlderCopy) {
      const name = error instanceof LeaseLost ? 'superseded' : 'staleLog';
      wire.close(CLOSE[name].code, closeReason(error.message));
      this.#end({ after: 'fatal', reason: error.message });
      return;
    }
    log.error('the session failed inside the orchestrator', { error });
    this.#fail('internal', 'the orchestrator failed: see its log');
  }

  #fail(name: CloseName, reason: string): void {
    if (this.#phase.kind === 'ended') return;
    this.#options.wire.close(CLOSE[name].code, closeReason(reason));
    this.#end({ after: 'retry', reason });
  }

  #end(verdict: Verdict): void {
    if (this.#phase.kind === 'ended') return;
    if (this.#phase.kind === 'greeting') this.#phase.cancelTimeout();
    else this.#phase.heartbeat.stop();
    this.#control?.end();
    this.#phase = { kind: 'ended' };
    this.#calls.closeAll(verdict.reason);
    this.#options.events.ended(verdict);
  }
}
