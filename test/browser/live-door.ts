import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';

const ANSWERS_WITHIN_MS = 10_000;

/** Dials `/live` with these headers. @returns the status of the upgrade's answer: 101, or that of its refusal */
export async function dialLive(
  edgeUrl: string,
  headers: Record<string, string>,
): Promise<number | undefined> {
  const socket = new WebSocket(`${edgeUrl.replace('http', 'ws')}/live`, {
    headers,
    handshakeTimeout: ANSWERS_WITHIN_MS,
  });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  socket.once('upgrade', resolve);
  socket.once('unexpected-response', (_, response) => resolve(response));
  socket.once('error', reject);
  try {
    return (await promise).statusCode;
  } finally {
    socket.on('error', () => {}); // Of a socket that is cut before it is open.
    socket.terminate();
  }
}
