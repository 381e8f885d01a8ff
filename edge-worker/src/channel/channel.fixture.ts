import { env } from 'cloudflare:workers';
import {
  type Entry,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Hello,
  type Join,
  type LogName,
  orchestratorCodec,
  PING,
  PONG,
  type WireError,
} from '@clawdbot/protocol';
import type { Answer } from './answer.ts';
import { CLAIMS_HEADER } from './claims.ts';
import type { ChannelRpc } from './rpc.ts';

const DEADLINE_MS = 5_000;
let dials = 0;

export const stubOf = (orchestratorId: string, lane = 0) =>
  env.CHANNEL.getByName(`${orchestratorId}/${lane}`);

/** The object as its callers see it. The cast: a stub's own types unfold recursive JSON without end. */
export const channelOf = (orchestratorId: string, lane = 0) =>
  stubOf(orchestratorId, lane) as unknown as ChannelRpc;

/** The orchestrator's end of a socket, driven by a test frame by frame. */
export class Peer {
  readonly #socket: WebSocket;
  readonly #frames: FrameToOrchestrator[] = [];
  readonly #chunks: Uint8Array[] = [];
  #pongs = 0;
  #closed: { code: number; reason: string } | undefined;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => {
      if (data === PONG) this.#pongs++;
      else if (typeof data === 'string') this.#frames.push(...orchestratorCodec.decode(data).frames);
      else this.#chunks.push(new Uint8Array(data));
      this.#wake();
    });
    socket.addEventListener('close', ({ code, reason }) => {
      this.#closed = { code, reason };
      this.#wake();
    });
    socket.accept();
  }

  static async dial(
    orchestratorId: string,
    jti = `token-${++dials}`,
    {
      orgId = 'org-1',
      lane = 0,
      kid = 'key-1',
    }: { readonly orgId?: string; readonly lane?: number; readonly kid?: string } = {},
  ): Promise<Peer | Response> {
    const claims = {
      orchestratorId,
      orgId,
      lane,
      lanes: 4,
      jti: jti.padEnd(8, '-'),
      exp: 4_000_000_000,
      kid,
    };
    const response = await stubOf(orchestratorId, lane).fetch('https://channel/', {
      headers: { upgrade: 'websocket', [CLAIMS_HEADER]: JSON.stringify(claims) },
    });
    return response.webSocket === null ? response : new Peer(response.webSocket);
  }

  /** Dials and says hello; resolves when welcome has come. */
  static async connect(orchestratorId: string, hello: Partial<Hello> = {}, orgId?: string): Promise<Peer> {
    const peer = await Peer.greet(orchestratorId, hello, orgId);
    await peer.next('welcome');
    return peer;
  }

  /** Dials and says hello; what is answered is the test's to read. */
  static async greet(orchestratorId: string, hello: Partial<Hello> = {}, orgId?: string): Promise<Peer> {
    const peer = await Peer.dial(orchestratorId, undefined, orgId === undefined ? {} : { orgId });
    if (peer instanceof Response) throw new Error(`refused: ${peer.status}`);
    peer.send({ ...helloOf(orchestratorId), ...hello });
    return peer;
  }

  /** Dials a lane beyond 0 and asks to join; what is answered is the test's to read. */
  static async ask(orchestratorId: string, lane: number, join: Partial<Join> = {}): Promise<Peer> {
    const peer = await Peer.dial(orchestratorId, undefined, { lane });
    if (peer instanceof Response) throw new Error(`refused: ${peer.status}`);
    const { protocol, generation, instanceId, version } = helloOf(orchestratorId);
    const usual = { protocol, orchestratorId, generation, instanceId, version };
    peer.send({ type: 'join', lane, ...usual, ...join });
    return peer;
  }

  /** The same; resolves when it has joined. */
  static async join(orchestratorId: string, lane: number, join: Partial<Join> = {}): Promise<Peer> {
    const peer = await Peer.ask(orchestratorId, lane, join);
    await peer.next('joined');
    return peer;
  }

  send(...frames: FrameToEdge[]): void {
    this.#socket.send(`[${frames.map((frame) => orchestratorCodec.encode(frame)).join(',')}]`);
  }

  sendRaw(message: string | Uint8Array): void {
    this.#socket.send(message);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** The next frame of a type; others that came before it are dropped. */
  next<T extends FrameToOrchestrator['type']>(type: T): Promise<Extract<FrameToOrchestrator, { type: T }>> {
    return this.#until(`a ${type} frame`, () => {
      while (this.#frames.length > 0) {
        const frame = this.#frames.shift();
        if (frame?.type === type) return frame as Extract<FrameToOrchestrator, { type: T }>;
      }
      return undefined;
    });
  }

  /** The next frame, whatever it is. */
  frame(): Promise<FrameToOrchestrator> {
    return this.#until('a frame', () => this.#frames.shift());
  }

  /** Sends a heartbeat; resolves when it was answered. */
  async beat(): Promise<void> {
    const before = this.#pongs;
    this.#socket.send(PING);
    await this.#until('a pong', () => (this.#pongs > before ? true : undefined));
  }

  nextChunk(): Promise<Uint8Array> {
    return this.#until('a binary message', () => this.#chunks.shift());
  }

  closed(): Promise<{ code: number; reason: string }> {
    return this.#until('the close', () => this.#closed);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${what} did not come within ${DEADLINE_MS} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#waiting.add(resolve);
      await promise;
      clearTimeout(timer);
    }
  }
}

/** An entry as it crosses the wire. */
export const entry = (seq: number, body: object, log: LogName = 'control'): Entry => ({
  type: 'entry',
  log,
  seq,
  at: 1,
  body: JSON.stringify(body),
});

export const value = <T>(answer: Answer<T>): T => {
  if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return answer.value;
};

export const errorOf = <T>(answer: Answer<T>): WireError => {
  if (answer.ok) throw new Error('expected a failure');
  return answer.error;
};

export const helloOf = (orchestratorId: string): Hello => ({
  type: 'hello',
  protocol: [1],
  orchestratorId,
  lane: 0,
  lanes: 1,
  generation: 1,
  instanceId: 'process-a',
  version: '0.1.0',
  capabilities: [],
  clockMs: Date.now(),
  logs: { control: { logId: `log-of-${orchestratorId}`, oldest: 1, last: 0, applied: 0 } },
  sites: [],
});
