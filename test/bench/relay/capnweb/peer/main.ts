/** The Node end of the Cap'n Web path, with the orchestrator's own HTTP client. */
import { RpcSession, RpcTarget } from 'capnweb';
import { WebSocket } from 'ws';
import { createAgent, exchange } from '../../../../../orchestrator/src/relay/exchange.ts';
import type { Answer, Call, Relay } from '../contract.ts';
import { SocketTransport } from '../transport.ts';

const { EDGE_URL = '', ORIGIN = '' } = process.env;
const REDIAL_MS = 50;
const DEADLINE_MS = 30_000;
/** Set anew by the HTTP client. */
const NOT_PASSED_ON = new Set(['host', 'content-length']);

const agent = createAgent();

class Upstream extends RpcTarget implements Relay {
  async relay({ method, url, headers, body }: Call): Promise<Answer> {
    const kept = headers.filter(([name]) => !NOT_PASSED_ON.has(name));
    const request = { origin: ORIGIN, path: url, method, headers: kept, body };
    const reply = await exchange(agent, request, AbortSignal.timeout(DEADLINE_MS));
    if (reply.body !== null && !(reply.body instanceof Uint8Array))
      throw new Error('only small replies here');
    return { ...reply, body: reply.body };
  }
}

function dial(): void {
  const socket = new WebSocket(EDGE_URL, { perMessageDeflate: false });
  const transport = new SocketTransport(socket);
  socket.on('open', () => new RpcSession(transport, new Upstream()));
  socket.on('message', (data) => transport.arrived(String(data)));
  socket.on('error', () => undefined); // A close follows.
  socket.on('close', () => {
    transport.lost('the socket was closed');
    setTimeout(dial, REDIAL_MS);
  });
}

dial();
