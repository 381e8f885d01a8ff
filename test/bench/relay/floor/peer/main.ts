/** The Node end of the floor, with the orchestrator's own HTTP client. */
import { WebSocket } from 'ws';
import type { BodyStream } from '../../../../../orchestrator/src/calls/index.ts';
import { createAgent, exchange } from '../../../../../orchestrator/src/relay/exchange.ts';
import { type Call, type Head, ID_BYTES } from '../contract.ts';

const { EDGE_URL = '', ORIGIN = '' } = process.env;
const DEADLINE_MS = 30_000;
/** Set anew by the HTTP client. */
const NOT_PASSED_ON = new Set(['host', 'content-length']);

const agent = createAgent();
const decoder = new TextDecoder();
const socket = new WebSocket(EDGE_URL, { perMessageDeflate: false });
socket.on('message', (data) => void answer(JSON.parse(String(data))));

async function answer({ id, method, url, headers }: Call): Promise<void> {
  const kept = headers.filter(([name]) => !NOT_PASSED_ON.has(name));
  const request = { origin: ORIGIN, path: url, method, headers: kept, body: null };
  const { body, ...head } = await exchange(agent, request, AbortSignal.timeout(DEADLINE_MS));
  if (body === null || body instanceof Uint8Array) {
    say({ id, ...head, body: decoder.decode(body ?? undefined) });
    return;
  }
  say({ id, ...head });
  stream(id, body);
}

const say = (head: Head): void => socket.send(JSON.stringify(head));

function stream(id: number, body: BodyStream): void {
  const name = Buffer.alloc(ID_BYTES);
  name.writeUInt32BE(id);
  body.start({
    write: (bytes) => {
      if (bytes.length > 0) socket.send(Buffer.concat([name, bytes])); // Without any it would be the end.
      return true;
    },
    end: () => socket.send(name),
    fail: (failure) => {
      throw failure;
    },
  });
}
