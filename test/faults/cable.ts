import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** `down`: from the edge to the orchestrator. */
export type Direction = 'up' | 'down';

interface Awaited {
  readonly direction: Direction;
  left: number;
  readonly arrived: () => void;
}

/** The two ends of one connection, and whose bytes each of them sends. */
interface Line {
  readonly from: Socket;
  readonly to: Socket;
  readonly direction: Direction;
}

/**
 * The TCP connection between the orchestrator and the edge, as something that can be cut, slowed and made to
 * swallow what is sent. It counts the pieces that cross, so that a fault can strike in the middle of an exchange.
 */
export class Cable {
  /** What the orchestrator dials. */
  readonly url: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  /** As the upgrade named it, at both ends of its connection. */
  readonly #laneOf = new WeakMap<Socket, number>();
  readonly #held = new Set<number>();
  #edgePort = 0;
  #swallowing = false;
  #delayMs = 0;
  #awaited: Awaited[] = [];

  static async open(): Promise<Cable> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Cable(server, address.port);
  }

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    server.on('connection', (near) => {
      const far = connect(this.#edgePort, '127.0.0.1');
      this.#carry({ from: near, to: far, direction: 'up' });
      this.#carry({ from: far, to: near, direction: 'down' });
    });
  }

  /** Where its far end is plugged in. */
  plugIn(edgePort: number): void {
    this.#edgePort = edgePort;
  }

  /** Resolves in the very turn in which that many more pieces have crossed, or when `signal` says to wait no more. */
  crossed(direction: Direction, pieces: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (pieces <= 0 || signal.aborted) resolve();
    this.#awaited.push({ direction, left: pieces, arrived: resolve });
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise;
  }

  /** Both ends see a reset; of one lane's connections, or of all. */
  cut(lane?: number): void {
    for (const socket of this.#sockets) {
      if (lane === undefined || this.#laneOf.get(socket) === lane) socket.resetAndDestroy();
    }
  }

  /** Cuts a lane, and each later dial of it. */
  hold(lane: number): void {
    this.#held.add(lane);
    this.cut(lane);
  }

  /** From now on nothing arrives, and nobody is told: a lost mobile link, a NAT entry that was dropped. */
  swallow(): void {
    this.#swallowing = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Each piece from now on takes this much longer. */
  slow(ms: number): void {
    this.#delayMs = ms;
  }

  /** As good as new; what was held arrives late. */
  mend(): void {
    this.#delayMs = 0;
    this.#swallowing = false;
    this.#held.clear();
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(line: Line): void {
    const { from, to } = line;
    this.#sockets.add(from);
    if (this.#swallowing) from.pause();
    // One after the other: a piece that is slowed down must not be overtaken.
    let last = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      const late = this.#delayMs;
      last = last.then(async () => {
        if (late > 0) await delay(late);
        this.#pass(line, bytes);
      });
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #pass({ from, to, direction }: Line, bytes: Buffer): void {
    const lane = direction === 'up' ? dialledLane(bytes) : undefined;
    if (lane !== undefined) for (const end of [from, to]) this.#laneOf.set(end, lane);
    if (lane !== undefined && this.#held.has(lane)) from.resetAndDestroy();
    else if (to.writable) to.write(direction === 'up' ? this.#renameHost(bytes) : bytes);
    for (const one of this.#awaited.filter((awaited) => awaited.direction === direction)) {
      one.left -= 1;
      if (one.left <= 0) one.arrived();
    }
    this.#awaited = this.#awaited.filter(({ left }) => left > 0);
  }

  /** The edge answers on its own host name only; the upgrade names the cable's. */
  #renameHost(bytes: Buffer): Buffer {
    if (!bytes.subarray(0, 4).equals(Buffer.from('GET '))) return bytes;
    const text = bytes.toString('latin1');
    return Buffer.from(text.replace(`127.0.0.1:${this.#port}`, `127.0.0.1:${this.#edgePort}`), 'latin1');
  }
}

/** The lane that an upgrade names, if these bytes begin one. */
function dialledLane(bytes: Buffer): number | undefined {
  const [, lane] = /^GET \/channel\?lane=(\d+) /.exec(bytes.subarray(0, 40).toString('latin1')) ?? [];
  return lane === undefined ? undefined : Number(lane);
}
