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
  type LogName,
  ProtocolError,
  type StatusReport,
  type WireError,
} from '@clawdbot/protocol';
import type { Attachment } from './attachment.ts';
import { Calls } from './calls.ts';
import { Flow, nonce } from './flow.ts';
import { Handshake } from './handshake.ts';
import { Liveness } from './liveness.ts';
import { Opener } from './opener.ts';
import { Pulls } from './pulls.ts';
import type { RelayCall, RelayReply, StatusCall } from './relay-rpc.ts';
import type { Admitted, SessionPorts } from './session-ports.ts';
import { Traffic } from './traffic.ts';

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
  readonly #opener: Opener;
  readonly #handshake: Handshake;
  #cancelRetirement: (() => void) | undefined;
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
      supply: ports.lane.supply,
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
    this.#opener = new Opener({
      calls: this.#calls,
      sender: this.#sender,
      flow: this.#flow,
      liveness: this.#liveness,
      now: ports.now,
    });
    this.#handshake = new Handshake(state, {
      lane: ports.lane,
      after: ports.after,
      close: (name, reason) => this.close(name, reason),
      isOver: () => this.#ended,
      onAdmitted: (admitted) => this.#onAdmitted(admitted),
      onJoined: ({ attachment, joined }) => {
        this.#become(attachment);
        this.#sender.pushNow(joined);
      },
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
    this.#handshake.expect(ms);
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
    return this.#opener.relay(call, deadlineMs);
  }

  getStatus(call: StatusCall): Promise<StatusReport> {
    return this.#opener.getStatus(call);
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
    this.#cancelRetirement = this.#ports.after(DRAIN_MS, () => this.close('drained', 'the drain is over'));
  }

  close(name: CloseName, reason: string): void {
    this.end(reason);
    this.#ports.wire.close(CLOSE[name].code, closeReason(reason));
  }

  /** The socket is gone, whoever ended it. Safe to repeat. */
  end(reason: string): void {
    this.#ended = true;
    this.#handshake.stop();
    this.#cancelRetirement?.();
    this.#liveness.stop();
    this.#calls.failAll(reason);
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
        this.#handshake.onHello(frame);
        break;
      case 'join':
        this.#handshake.onJoin(frame);
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

  #onAdmitted({ attachment, welcome, resync }: Admitted): void {
    this.#become(attachment);
    this.#sender.push(welcome);
    this.#traffic.open(attachment.logs, resync);
    this.pump();
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
