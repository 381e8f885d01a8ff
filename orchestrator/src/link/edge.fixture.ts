/** A small edge for tests: a real socket, a script instead of a Durable Object. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ErrorCode,
  edgeCodec,
  Failure,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Hello,
  PING,
  PONG,
  problemOf,
  retryAfterSeconds,
  SUBPROTOCOL,
} from '@clawdbot/protocol';
import { type WebSocket, WebSocketServer } from 'ws';

const DEADLINE_MS = 8_000;

/** One socket as the edge sees it. */
export class EdgeSocket {
  readonly frames: FrameToEdge[] = [];
  readonly authorization: string;
  readonly lane: number;
  closed: number | undefined;
  /** Takes in everything and says nothing, not even `pong`. */
  mute = false;
  readonly #ws: WebSocket;

  constructor(ws: WebSocket, request: IncomingMessage) {
    this.#ws = ws;
    this.authorization = request.headers.authorization ?? '';
    this.lane = Number(new URL(request.url ?? '', 'http://edge').searchParams.get('lane'));
    ws.on('message', (data, isBinary) => {
      if (this.mute || isBinary) return;
      const text = String(data);
      if (text === PING) ws.send(PONG);
      else this.frames.push(...edgeCodec.decode(text).frames);
    });
    ws.on('close', (code) => {
      this.closed = code;
    });
  }

  send(...frames: FrameToOrchestrator[]): void {
    this.#ws.send(`[${frames.map((frame) => edgeCodec.encode(frame)).join(',')}]`);
  }

  sendText(text: string): void {
    this.#ws.send(text);
  }

  /** The answer to `join`. */
  admit(fence: number): void {
    this.send({ type: 'joined', ...termsOf(fence) });
  }

  welcome(hello: Hello, fence: number, heartbeatMs = 25_000): void {
    const { logId, oldest } = hello.logs.control;
    this.send({
      type: 'welcome',
      ...termsOf(fence),
      heartbeatMs,
      apiBudget: { calls: 1, windowS: 1 },
      logs: { control: { logId: 'log-edge', oldest: 1, last: 0, peerLogId: logId, applied: oldest - 1 } },
    });
  }

  close(code: number): void {
    this.#ws.close(code);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /** The next frame of this type, or one that has come already. Fails at the deadline. */
  frame<T extends FrameToEdge['type']>(type: T): Promise<Extract<FrameToEdge, { type: T }>> {
    return until(`a ${type} frame`, () =>
      this.frames.find((frame): frame is Extract<FrameToEdge, { type: T }> => frame.type === type),
    );
  }
}

const termsOf = (fence: number) => ({
  protocol: 1,
  sessionId: `session-${fence}`,
  fence,
  heartbeatMs: 25_000,
  clockMs: Date.now(),
  limits: { textMessageBytes: 1, bodyChunkBytes: 1, relayBodyBytes: 1, callsOpen: 1 },
});

export class TestEdge {
  readonly sockets: EdgeSocket[] = [];
  /** Answers to the next upgrades, instead of a socket. */
  readonly refusals: { code: ErrorCode; retryAfterMs?: number }[] = [];
  upgrades = 0;
  readonly #server: Server = createServer();
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });

  constructor() {
    this.#server.on('upgrade', (request, socket, head) => {
      this.upgrades++;
      const refusal = this.refusals.shift();
      if (refusal === undefined) {
        this.#ws.handleUpgrade(request, socket, head, (ws) => this.sockets.push(new EdgeSocket(ws, request)));
        return;
      }
      const { code, retryAfterMs } = refusal;
      const failure = new Failure(
        code,
        'refused by the test',
        retryAfterMs === undefined ? {} : { retryAfterMs },
      );
      const body = JSON.stringify(problemOf(failure));
      const retry = retryAfterMs === undefined ? '' : `Retry-After: ${retryAfterSeconds(retryAfterMs)}\r\n`;
      socket.end(
        `HTTP/1.1 ${failure.status} Refused\r\nContent-Type: application/problem+json\r\n${retry}Content-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  }

  async listen(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    // A listening TCP server's address is never a string.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The socket of the n-th dial that was let in, from 0. */
  socket(index: number): Promise<EdgeSocket> {
    return until(`socket ${index}`, () => this.sockets[index]);
  }

  /** The n-th socket of a lane beyond 0, joined. */
  async joined(lane: number, index = 0): Promise<EdgeSocket> {
    const socket = await until(`socket ${index} of lane ${lane}`, () => this.ofLane(lane)[index]);
    await socket.frame('join');
    socket.admit(index + 1);
    return socket;
  }

  ofLane(lane: number): EdgeSocket[] {
    return this.sockets.filter((socket) => socket.lane === lane);
  }

  /** The n-th socket, welcomed. */
  async welcomed(index: number, heartbeatMs?: number): Promise<EdgeSocket> {
    const socket = await this.socket(index);
    socket.welcome(await socket.frame('hello'), index + 1, heartbeatMs);
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/** Polls until there is a value; fails at the deadline. */
export async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
