import type { RpcTransport } from 'capnweb';

/** The part of a WebSocket that `ws` and workerd have in common. */
interface Socket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

/**
 * A WebSocket as Cap'n Web's port, given what arrives from outside: a hibernatable socket has no listeners, its
 * messages come to the object's `webSocketMessage`.
 */
export class SocketTransport implements RpcTransport {
  readonly #socket: Socket;
  readonly #arrived: string[] = [];
  #receiver: PromiseWithResolvers<string> | undefined;
  #lost: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  send(message: string): void {
    this.#socket.send(message);
  }

  receive(): Promise<string> {
    const message = this.#arrived.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    this.#receiver = Promise.withResolvers<string>();
    return this.#receiver.promise;
  }

  abort(): void {
    this.#socket.close(1011, 'the session failed');
  }

  arrived(message: string): void {
    if (this.#receiver === undefined) this.#arrived.push(message);
    else this.#receiver.resolve(message);
    this.#receiver = undefined;
  }

  lost(reason: string): void {
    this.#lost = new Error(reason);
    this.#receiver?.reject(this.#lost);
  }
}
