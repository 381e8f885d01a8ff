/**
 * The least code that relays: Worker → object by an RPC method → one hibernatable WebSocket, a message each → Node → back. It
 * has none of the product's duties: nothing is checked, limited, bounded, cancelled or stored, and an upload is not passed on.
 * A relay of this shape costs no less, unless requests share what it pays for each.
 */
import { DurableObject } from 'cloudflare:workers';
import {
  type HibernatableSocket,
  type ObjectState,
  socketPair,
  streamOf,
  switchingProtocols,
} from '../../workerd.ts';
import { type Call, type Head, ID_BYTES } from './contract.ts';

interface Reply extends Omit<Head, 'id' | 'body'> {
  readonly body: string | ReadableStream;
}

export class Tunnel extends DurableObject {
  readonly #ctx: ObjectState;
  readonly #open = new Map<number, (reply: Reply) => void>();
  readonly #bodies = new Map<number, WritableStreamDefaultWriter>();
  #socket: HibernatableSocket | undefined;
  #lastId = 0;

  constructor(ctx: ObjectState, env: unknown) {
    super(ctx, env);
    this.#ctx = ctx;
    [this.#socket] = ctx.getWebSockets();
  }

  fetch(): Response {
    const [theirs, socket] = socketPair();
    this.#ctx.acceptWebSocket(socket);
    this.#socket = socket;
    return switchingProtocols(theirs);
  }

  relay(request: Omit<Call, 'id'>): Promise<Reply> {
    if (this.#socket === undefined) throw new Error('no peer');
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const call: Call = { id: ++this.#lastId, ...request };
    this.#open.set(call.id, resolve);
    this.#socket.send(JSON.stringify(call));
    return promise;
  }

  webSocketMessage(_: HibernatableSocket, message: string | ArrayBuffer): void {
    if (typeof message === 'string') this.#onHead(JSON.parse(message));
    else this.#onBytes(message);
  }

  webSocketClose(socket: HibernatableSocket): void {
    socket.close(1000, '');
  }

  #onHead({ id, status, headers, body }: Head): void {
    const length = Number(headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]);
    this.#open.get(id)?.({ status, headers, body: body ?? this.#bodyOf(id, length) });
    this.#open.delete(id);
  }

  #bodyOf(id: number, length: number): ReadableStream {
    const { readable, writable } = streamOf(length);
    this.#bodies.set(id, writable.getWriter());
    return readable;
  }

  #onBytes(message: ArrayBuffer): void {
    const id = new DataView(message).getUint32(0);
    const writer = this.#bodies.get(id);
    if (message.byteLength > ID_BYTES) {
      void writer?.write(new Uint8Array(message, ID_BYTES));
      return;
    }
    this.#bodies.delete(id);
    void writer?.close();
  }
}

interface Env {
  readonly TUNNEL: {
    getByName(name: string): Pick<Tunnel, 'relay'> & { fetch(request: Request): Promise<Response> };
  };
}

export default {
  async fetch(request: Request, { TUNNEL }: Env): Promise<Response> {
    const tunnel = TUNNEL.getByName('one');
    if (request.headers.get('upgrade') === 'websocket') return tunnel.fetch(request);
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const reply = await tunnel.relay({ method, url: pathname + search, headers: [...headers] });
    return new Response(reply.body, { status: reply.status, headers: reply.headers });
  },
};
