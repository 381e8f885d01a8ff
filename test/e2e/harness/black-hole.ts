import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A cable between the orchestrator and the edge: it carries bytes until it is told to swallow them, and then
 * keeps its sockets open and silent, as a lost mobile link or a dropped NAT entry does.
 */
export class BlackHole {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #swallowing = false;

  static async open(edgePort: number): Promise<BlackHole> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new BlackHole(server, address.port, edgePort);
  }

  private constructor(server: Server, port: number, edgePort: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
    server.on('connection', (near) => {
      const far = connect(edgePort, '127.0.0.1');
      this.#carry(near, far, (bytes) => renameHost(bytes, port, edgePort));
      this.#carry(far, near, (bytes) => bytes);
    });
  }

  /** From now on nothing arrives, and nobody is told. */
  swallow(): void {
    this.#swallowing = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** The link is back: what was held arrives late. */
  release(): void {
    this.#swallowing = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(from: Socket, to: Socket, change: (bytes: Buffer) => Buffer): void {
    this.#sockets.add(from);
    if (this.#swallowing) from.pause();
    from.on('data', (bytes: Buffer) => void to.write(change(bytes)));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

/** The edge answers on its own host name only; the upgrade names the cable's. */
function renameHost(bytes: Buffer, port: number, edgePort: number): Buffer {
  if (!bytes.subarray(0, 4).equals(Buffer.from('GET '))) return bytes;
  return Buffer.from(
    bytes.toString('latin1').replace(`127.0.0.1:${port}`, `127.0.0.1:${edgePort}`),
    'latin1',
  );
}
