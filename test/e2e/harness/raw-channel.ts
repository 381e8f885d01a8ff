import { randomUUID } from 'node:crypto';
import { type FrameToOrchestrator, type Hello, orchestratorCodec, SUBPROTOCOL } from '@clawdbot/protocol';
import WebSocket from 'ws';
import { type Identity, signChannelToken } from '../../../orchestrator/src/identity.ts';
import { eventually } from '../../eventually.ts';

/** What became of an upgrade. */
export type Dialled =
  | { readonly kind: 'open'; readonly channel: RawChannel }
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its expectations what a refusal is.
  | { readonly kind: 'refused'; readonly status: number; readonly headers: object; readonly problem: any };

const OPENS_WITHIN_MS = 10_000;

/** Dials the channel as an orchestrator would, but with any token, or none. */
export function dial(edgeUrl: string, token: string | undefined, lane = 0): Promise<Dialled> {
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>();
  const socket = new WebSocket(`${edgeUrl.replace('http', 'ws')}/channel?lane=${lane}`, SUBPROTOCOL, {
    perMessageDeflate: false,
    handshakeTimeout: OPENS_WITHIN_MS,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });
  socket.on('open', () => resolve({ kind: 'open', channel: new RawChannel(socket) }));
  socket.on('error', reject);
  socket.on('unexpected-response', async (_, response) => {
    const text = Buffer.concat(await response.toArray()).toString();
    const { statusCode: status = 0, headers } = response;
    resolve({ kind: 'refused', status, headers, problem: JSON.parse(text) });
  });
  return promise;
}

/** A socket on which a test says what it likes: an orchestrator that keeps no rule by itself. */
export class RawChannel {
  readonly #socket: WebSocket;
  readonly #frames: FrameToOrchestrator[] = [];
  #closed: { code: number; reason: string } | undefined;
  /** Whether it leaves the edge's probes unanswered. */
  silent = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data, binary) => {
      if (binary || String(data) === 'pong') return;
      for (const frame of orchestratorCodec.decode(String(data)).frames) this.#take(frame);
    });
    socket.on('close', (code, reason) => {
      this.#closed = { code, reason: String(reason) };
    });
  }

  /** Probes are answered, so that a test may let a call wait; all else is kept for `next`. */
  #take(frame: FrameToOrchestrator): void {
    if (frame.type === 'probe' && !this.silent) this.send([frame]);
    this.#frames.push(frame);
  }

  /** Sends text as it is, or frames without checking them. */
  send(message: string | readonly object[]): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  /** The next frame of that type that nobody has taken yet. */
  async next<T extends FrameToOrchestrator['type']>(
    type: T,
  ): Promise<Extract<FrameToOrchestrator, { type: T }>> {
    const find = async () => this.#frames.findIndex((frame) => frame.type === type);
    const at = await eventually(`a ${type} frame`, find, (index) => index >= 0);
    const [frame] = this.#frames.splice(at, 1);
    return frame as Extract<FrameToOrchestrator, { type: T }>; // Found by that very type.
  }

  /** How the edge ended it. */
  async closed(): Promise<{ code: number; reason: string }> {
    const end = await eventually(
      'the socket ends',
      async () => this.#closed,
      (closed) => closed !== undefined,
    );
    return end ?? { code: 0, reason: '' };
  }

  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /** Goes away without a word, as a cut cable. */
  drop(): void {
    this.#socket.terminate();
  }
}

/** An orchestrator made by hand: its key, and the first frame it would send. */
export class Impostor {
  readonly id: string;
  readonly identity: Identity;
  readonly #edgeUrl: string;
  readonly #logId = randomUUID();
  /** Each session of its own is of a newer process. */
  #generation = 0;

  constructor(edgeUrl: string, id: string, identity: Identity) {
    this.#edgeUrl = edgeUrl;
    this.id = id;
    this.identity = identity;
  }

  token({ now = Date.now(), lane = 0, jti = randomUUID(), id = this.id } = {}): string {
    return signChannelToken(this.identity, { orchestratorId: id, now, jti, lane });
  }

  hello(changes: Partial<Hello> = {}): Hello {
    return {
      type: 'hello',
      protocol: [1],
      orchestratorId: this.id,
      lane: 0,
      lanes: 1,
      generation: this.#generation,
      instanceId: `instance-${this.#generation}`,
      version: '0.0.0',
      capabilities: [],
      clockMs: Date.now(),
      logs: { control: { logId: this.#logId, oldest: 1, last: 0, applied: 0 } },
      sites: [],
      ...changes,
    };
  }

  /** An upgraded socket on which nothing has been said. */
  async dial(): Promise<RawChannel> {
    const dialled = await dial(this.#edgeUrl, this.token());
    if (dialled.kind === 'open') return dialled.channel;
    throw new Error(`the edge refused the upgrade with ${dialled.status}`);
  }

  /** An open session, of a newer process than all before. */
  async connect(): Promise<RawChannel> {
    this.#generation += 1;
    const channel = await this.dial();
    channel.send([this.hello()]);
    await channel.next('welcome');
    return channel;
  }
}
