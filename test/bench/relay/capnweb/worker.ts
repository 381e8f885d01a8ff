/**
 * The same way as the channel's, by Cap'n Web: Worker → object → one hibernatable WebSocket → Node. Nothing is
 * durable, checked or limited here, so it is the floor of what that library can do.
 */
import { RpcSession, type RpcStub } from 'capnweb';
import {
  type HibernatableSocket,
  type Namespace,
  type ObjectState,
  socketPair,
  switchingProtocols,
} from '../../workerd.ts';
import type { Relay } from './contract.ts';
import { SocketTransport } from './transport.ts';

interface Session {
  readonly socket: HibernatableSocket;
  readonly transport: SocketTransport;
  readonly peer: RpcStub<Relay>;
}

export class Tunnel {
  readonly #ctx: ObjectState;
  #session: Session | undefined;

  constructor(ctx: ObjectState) {
    this.#ctx = ctx;
    // Cap'n Web's tables do not survive hibernation as the socket does: the peer must dial again.
    for (const socket of ctx.getWebSockets()) socket.close(1012, 'the session was lost while asleep');
  }

  fetch(request: Request): Promise<Response> | Response {
    if (request.headers.get('upgrade') === 'websocket') return this.#accept();
    if (this.#session === undefined) return new Response('no peer', { status: 503 });
    return relay(request, this.#session.peer);
  }

  webSocketMessage(socket: HibernatableSocket, message: string): void {
    if (socket === this.#session?.socket) this.#session.transport.arrived(message);
  }

  webSocketClose(socket: HibernatableSocket): void {
    if (socket === this.#session?.socket) {
      this.#session.transport.lost('the socket was closed');
      this.#session = undefined;
    }
    socket.close(1000, '');
  }

  #accept(): Response {
    const [theirs, socket] = socketPair();
    this.#ctx.acceptWebSocket(socket);
    const transport = new SocketTransport(socket);
    const peer = new RpcSession<Relay>(transport).getRemoteMain();
    this.#session = { socket, transport, peer };
    return switchingProtocols(theirs);
  }
}

async function relay(request: Request, peer: RpcStub<Relay>): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { status, headers, body } = await peer.relay({
    method: request.method,
    url: pathname + search,
    headers: [...request.headers],
    body: request.body === null ? null : new Uint8Array(await request.arrayBuffer()),
  });
  return new Response(body, { status, headers });
}

export default {
  fetch: (request: Request, env: { readonly TUNNEL: Namespace }): Promise<Response> =>
    env.TUNNEL.getByName('one').fetch(request),
};
