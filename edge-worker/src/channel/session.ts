import {
  CLOSE,
  type CloseName,
  closeReason,
  DRAIN_MS,
  decodeChunk,
  type Entry,
  edgeCodec,
  Failure,
  FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Hello,
  type Join,
  type LogName,
  ProtocolError,
  type StatusReport,
  UPLOAD_DEADLINE_MS,
  type WireError,
} from '@clawdbot/protocol';
import type { Attachment } from './attachment.ts';
import { Calls } from './calls.ts';
import { Flow, nonce, overloaded } from './flow.ts';
import { Liveness } from './liveness.ts';
import { Pulls } from './pulls.ts';
import type { RelayCall, RelayReply, StatusCall } from './rpc.ts';
import type { SessionPorts } from './session-ports.ts';
import { Traffic } from './traffic.ts';
import { bodyOf } from './upload.ts';

/** The orchestrator's own word that a call is late comes first. */
const DEADLINE_GRACE_MS = 1_000;

/** A session, and when its socket last had a heartbeat answered by the runtime: asking it costs. */
export interface Connected {
  readonly session: Session;
  readonly heartbeatAt: () => number | undefined;
}

/** One socket's side of the conversation: `greeting → open → draining`, then it ends. */
export class Session {
  #state: Attachment;
  /** 0 until this instance hears something: what was heard before a hibernation, the heartbeat tells. */
  #heardAt = 0;
  readonly #ports: SessionPorts;
  readonly #sender: FrameSender<FrameToOrchestrator>;
  readonly #calls: Calls;
  readonly #pulls: Pulls;
  readonly #liveness: Liveness;
  /** Of what a session waits for: its greeting, or the end of its drain. */
  #cancelTimeout: (() => void) | undefined;
  #hasGreeted = false;
  #ended = false;
  readonly #flow: Flow;
  readonly #traffic: Traffic;

  constructor(state: Attachment, ports: SessionPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#flow = new Flow((n) => this.#sender.pushNow({ type: 'probe', n }), ports.random);
    this.#sender = new FrameSender(this.#flow.counting(ports.wire), edgeCodec.encode, ports.defer);
    this.#traffic = new Traffic(
      {
        push: (frame) => this.#sender.push(frame),
        pushNow: (frame) => this.#sender.pushNow(frame),
        lane: ports.lane,
        nonce: () => nonce(ports.random),
      },
      state.state === 'greeting' ? [] : state.logs,
    );
    this.#calls = new Calls({
      // A turn is a timer's millisecond in workerd, and a sender without credit would wait for it.
      push: (frame) => this.#ended || this.#sender.pushNow(frame),
      send: (chunk, sent) => this.#sender.pushChunk(chunk, sent),
      end: (id) => this.#sender.push({ type: 'end', id }),
    });
    this.#pulls = new Pulls({
      sender: this.#sender,
      flow: this.#flow,
      lane: ports.lane,
      writes: () => this.#writes(),
      isOver: () => this.#ended,
      broken: (error) => this.#broken(error),
    });
    this.#liveness = new Liveness({
      now: ports.now,
      after: ports.after,
      busy: () => this.#calls.size > 0 || ports.lane.isAwaited,
      probe: (n) => this.#sender.pushNow({ type: 'probe', n }),
      dead: () => this.close('unresponsive', 'it did not answer a probe'),
      passed: () => this.#calls.expire(ports.now()),
    });
  }

  get state(): Attachment {
    return this.#state;
  }

  /** When a frame last came in, as far as this instance knows. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** A socket that says nothing is not kept: without `hello` in time it ends. */
  expectHello(ms: number): void {
    this.#cancelTimeout = this.#ports.after(ms, () => this.close('helloTimeout', 'no hello in time'));
  }

  /** Everything that comes in goes through here; what cannot be read ends the socket, never the object. */
  receive(message: string | Uint8Array): void {
    this.#heardAt = this.#ports.now();
    this.#liveness.heard();
    try {
      if (typeof message === 'string') this.#onText(message);
      else this.#onChunk(message);
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.close(error.close, error.message);
        return;
      }
      this.#broken(error);
    }
  }

  #broken(error: unknown): void {
    console.error('a message could not be handled', error);
    this.close('internal', 'the edge failed to handle a message');
  }

  /** Throws `Failure` when the call cannot be opened; rejects with one when it fails. */
  relay(call: RelayCall, deadlineMs: number): Promise<RelayReply> {
    if (this.#flow.isFull) throw overloaded();
    const body = bodyOf(call);
    // Of a body that streams the deadline counts from its end: until then the orchestrator sees to it (PROTOCOL C4).
    const waitMs = body.head.kind === 'stream' ? UPLOAD_DEADLINE_MS : deadlineMs;
    const { id, reply } = this.#calls.relay(call.requestId, this.#dueIn(waitMs));
    this.#open({
      type: 'request',
      id,
      target: call.target,
      ...(call.siteId === undefined ? {} : { siteId: call.siteId }),
      method: call.method,
      url: call.url,
      headers: call.headers,
      body: body.head,
      requestId: call.requestId,
      deadlineMs,
    });
    if (body.rest !== undefined) this.#calls.upload(id, body.rest);
    return reply;
  }

  getStatus({ requestId, siteId, deadlineMs }: StatusCall): Promise<StatusReport> {
    const { id, reply } = this.#calls.status(requestId, this.#dueIn(deadlineMs));
    this.#open({ type: 'get_status', id, siteId, deadlineMs });
    return reply;
  }

  #dueIn(ms: number): number {
    return this.#ports.now() + ms + DEADLINE_GRACE_MS;
  }

  cancelCall(requestId: string): void {
    this.#calls.forget(requestId);
  }

  /** Spares the orchestrator to ask for a small parcel whose entry follows. */
  pushParcel(receiptId: string, parcel: Uint8Array): void {
    if (this.#flow.isFull) return;
    this.#sender.push({ type: 'parcel', receiptId, data: btoa(String.fromCharCode(...parcel)) });
  }

  /** Sends what the log holds, as far as the window allows. */
  pump(): void {
    if (this.#state.state !== 'open') return;
    this.#traffic.pump();
    if (this.#ports.lane.isAwaited) this.#liveness.expect();
  }

  /** D1 has every event up to this position of the orchestrator's control log. */
  projected(applied: number, projected: number): void {
    this.#traffic.projected(applied, projected);
  }

  /** Asks the orchestrator for this session's successor. Until that is there, everything goes on here. */
  handOver(reason: string): void {
    if (this.#state.state === 'open') this.#sender.pushNow({ type: 'drain', reason });
  }

  /** The successor is there: what is open here may still be answered, for a while. */
  retire(): void {
    if (this.#state.state !== 'open') return;
    this.#become({ ...this.#state, state: 'draining' });
    this.#cancelTimeout = this.#ports.after(DRAIN_MS, () => this.close('drained', 'the drain is over'));
  }

  close(name: CloseName, reason: string): void {
    this.end(reason);
    this.#ports.wire.close(CLOSE[name].code, closeReason(reason));
  }

  /** The socket is gone, whoever ended it. Safe to repeat. */
  end(reason: string): void {
    this.#ended = true;
    this.#cancelTimeout?.();
    this.#liveness.stop();
    this.#calls.failAll(reason);
  }

  /** Sends a call's first frame: at once when nothing else is open, else with those that came in one exchange with it. */
  #open(frame: FrameToOrchestrator & { id: number }): void {
    try {
      if (this.#calls.size === 1) this.#sender.pushNow(frame);
      else this.#sender.pushSoon(frame);
      this.#liveness.expect();
    } catch (cause) {
      const failure = new Failure('bad_request', 'the request does not fit the channel', {
        cause,
        execution: 'not_started',
      });
      this.#calls.fail(frame.id, failure);
    }
  }

  #onText(text: string): void {
    const { frames, unknown } = edgeCodec.decode(text);
    if (unknown > 0) this.#ports.lane.onUnknown(unknown);
    const entries: Entry[] = [];
    const latest = frames.findLast(({ type }) => type === 'status');
    for (const frame of frames) {
      if (this.#ended) return; // Refused by a frame before: what came with it is not heard.
      if (frame.type === 'entry') entries.push(frame);
      else if (frame.type !== 'status' || frame === latest) this.#onFrame(frame);
    }
    if (entries.length > 0 && !this.#ended) this.#onEntries(entries);
  }

  #onFrame(frame: Exclude<FrameToEdge, Entry>): void {
    if (frame.type !== 'hello' && frame.type !== 'join' && this.#state.state === 'greeting') {
      throw new ProtocolError('malformed', `${frame.type} before hello`);
    }
    switch (frame.type) {
      case 'hello':
        this.#onHello(frame);
        break;
      case 'join':
        this.#onJoin(frame);
        break;
      case 'probe':
        this.#onEcho(frame.n);
        break;
      case 'credit':
        this.#calls.onCredit(frame.id, frame.bytes);
        break;
      case 'ack':
        this.#onAck(frame.log, frame.applied);
        break;
      case 'drain':
        this.#onDrain(frame.reason);
        break;
      case 'error':
        this.#onError(frame.id, frame.error);
        break;
      case 'response':
        this.#calls.onResponse(frame);
        break;
      case 'end':
        this.#calls.onEnd(frame.id);
        break;
      case 'cancel':
        this.#calls.fail(frame.id, new Failure('upstream_failed', frame.reason));
        break;
      case 'get_status_result':
        this.#calls.onStatus(frame.id, frame.data);
        break;
      case 'blob':
      case 'receipt_answer':
      case 'get_secret':
      case 'get_tally':
        this.#pulls.on(frame);
        break;
      case 'status':
        this.#ports.lane.onStatus(frame);
        break;
      default:
        frame satisfies never;
    }
  }

  #onError(id: number | undefined, error: WireError): void {
    if (id === undefined) console.warn('the orchestrator complains', error);
    else this.#calls.fail(id, Failure.fromWire(error));
  }

  #onHello(hello: Hello): void {
    const admission = this.#ports.lane.admit(this.#greeted(), hello);
    if ('close' in admission) {
      this.close(admission.close, admission.reason);
      return;
    }
    this.#become(admission.attachment);
    this.#sender.push(admission.welcome);
    this.#traffic.open(admission.attachment.logs, admission.resync);
    this.pump();
  }

  #onJoin(join: Join): void {
    this.#ports.lane.join(this.#greeted(), join).then((answer) => {
      if (this.#ended) return;
      if ('close' in answer) return this.close(answer.close, answer.reason);
      this.#become(answer.attachment);
      this.#sender.pushNow(answer.joined);
    });
  }

  /** The one greeting of this socket has come. @returns the key that its token was signed with */
  #greeted(): string {
    if (this.#state.state !== 'greeting' || this.#hasGreeted) {
      throw new ProtocolError('malformed', 'a second greeting');
    }
    this.#hasGreeted = true;
    this.#cancelTimeout?.();
    return this.#state.kid;
  }

  #onEcho(n: number): void {
    this.#flow.echoed(n);
    if (this.#writes()) this.#traffic.echoed(n);
  }

  #onEntries(entries: readonly Entry[]): void {
    if (this.#state.state === 'greeting') throw new ProtocolError('malformed', 'entry before hello');
    if (!this.#writes()) return;
    this.#traffic.receive(entries);
    this.pump();
  }

  #onAck(log: LogName, applied: number): void {
    if (!this.#writes()) return;
    this.#traffic.acknowledged(log, applied);
    this.pump();
  }

  /** Only the newest session may: an older one's entries and acknowledgements are not heard (PROTOCOL L7). */
  #writes(): boolean {
    return this.#state.state !== 'greeting' && this.#ports.lane.isCurrent(this.#state.fence);
  }

  #onDrain(reason: string): void {
    if (this.#state.state !== 'open') return;
    this.#become({ ...this.#state, state: 'draining' });
    this.#ports.lane.onDrain(this.#state.fence, reason);
  }

  #onChunk(message: Uint8Array): void {
    if (this.#state.state === 'greeting') throw new ProtocolError('malformed', 'bytes before hello');
    this.#calls.onChunk(decodeChunk(message));
  }

  #become(state: Attachment): void {
    this.#state = state;
    this.#ports.save(state);
  }
}
