import type { IncomingMessage } from 'node:http';
import { SUBPROTOCOL, sendableCode, TEXT_MESSAGE_BYTES_MAX, type Wire } from '@clawdbot/protocol';
import WebSocket, { type RawData } from 'ws';
import { type Refusal, type Verdict, verdictOfRefusal } from './verdict.ts';

/** For TCP, TLS and the upgrade together. An edge that is down refuses at once; this is for one that hangs. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A peer that does not answer a close is cut off (ws itself would wait 30 s). */
const CLOSE_TIMEOUT_MS = 2_000;
/** Of a refusal's body. */
const PROBLEM_BYTES_MAX = 16 * 1024;
/** The codec says "too large" in our own words; ws only stops what is beyond any doubt. */
const MESSAGE_BYTES_MAX = TEXT_MESSAGE_BYTES_MAX + 64 * 1024;
/** ws has no drain event and queues without bound: an edge that reads this slowly is given up. */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;

/** Who takes what arrives on a socket, in order. */
interface Receiver {
  receiveText(text: string): void;
  receiveBytes(bytes: Uint8Array): void;
  closed(code: number, reason: string): void;
}

export interface Socket {
  readonly wire: Wire;
  /** Call it in the same turn as the dial resolves, so that nothing is missed. */
  listen(receiver: Receiver): void;
}

type Dialled = { readonly socket: Socket } | { readonly verdict: Verdict };

/** One dial of the edge. Never rejects; an aborted `signal` ends it with a verdict. */
export type Dial = (signal: AbortSignal) => Promise<Dialled>;

export interface DialOptions {
  /** The edge's origin, http(s). */
  readonly edgeUrl: string;
  readonly lane: number;
  /** Fresh ones for each dial: the token in them is good once. */
  readonly headers: () => Record<string, string>;
}

export function createDial({ edgeUrl, lane, headers }: DialOptions): Dial {
  const url = new URL(`/channel?lane=${lane}`, edgeUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return (signal) =>
    new Promise((resolve) => {
      const ws = new WebSocket(url, [SUBPROTOCOL], {
        headers: headers(),
        // workerd negotiates it locally and Cloudflare does not: one behaviour everywhere.
        perMessageDeflate: false,
        // RFC 6455 §10.3 masks what a browser's script sends past proxies that do not know WebSocket. Nothing reads
        // along in TLS, or on this machine; and ws's masking, in JavaScript, was a third of this process's CPU.
        ...(isSealed(url) ? { generateMask: (mask: Buffer) => void mask.fill(0) } : {}),
        maxPayload: MESSAGE_BYTES_MAX,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        followRedirects: false,
      });
      const giveUp = () => ws.terminate();
      signal.addEventListener('abort', giveUp, { once: true });
      const settle = (dialled: Dialled) => {
        signal.removeEventListener('abort', giveUp);
        resolve(dialled);
      };
      ws.on('error', (error) => settle({ verdict: { after: 'retry', reason: sentenceOf(error) } }));
      ws.once('open', () => settle({ socket: socketOf(ws) }));
      ws.once('unexpected-response', (_request, response) => {
        // With a listener ws leaves the response to us, its end included.
        readRefusal(response).then((refusal) => {
          response.destroy();
          settle({ verdict: verdictOfRefusal(refusal) });
        });
      });
    });
}

const isSealed = ({ protocol, hostname }: URL): boolean =>
  protocol === 'wss:' || hostname === 'localhost' || hostname.startsWith('127.');

/** ECONNREFUSED on a name with two addresses is an AggregateError without a message. */
function sentenceOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : error.name;
  return `the edge cannot be reached: ${error.message === '' ? code : error.message}`;
}

/** The head of a refusal and as much of its body as comes in time; never rejects. */
function readRefusal(response: IncomingMessage): Promise<Refusal> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const finish = () => {
      clearTimeout(timer);
      const { statusCode = 0, headers } = response;
      resolve({
        status: statusCode,
        retryAfter: headers['retry-after'],
        body: Buffer.concat(parts).toString('utf8'),
      });
    };
    const timer = setTimeout(finish, CLOSE_TIMEOUT_MS);
    response.on('data', (part: Buffer) => {
      parts.push(part);
      bytes += part.length;
      if (bytes > PROBLEM_BYTES_MAX) finish();
    });
    response.once('end', finish);
    response.once('error', finish);
    response.once('close', finish);
  });
}

function socketOf(ws: WebSocket): Socket {
  return {
    wire: wireOf(ws),
    listen(receiver) {
      ws.on('message', (data, isBinary) => {
        if (isBinary) receiver.receiveBytes(bytesOf(data));
        else receiver.receiveText(bytesOf(data).toString('utf8'));
      });
      ws.once('close', (code, reason) => receiver.closed(code, reason.toString('utf8')));
    },
  };
}

function wireOf(ws: WebSocket): Wire {
  const send = (data: string | Uint8Array, sent?: () => void) => {
    // What is sent into a socket that has just ended is lost either way: the session hears of the end.
    if (ws.readyState !== WebSocket.OPEN) return;
    ws.send(data, (error) => error == null && sent?.());
    if (ws.bufferedAmount > BUFFERED_BYTES_MAX) ws.terminate();
  };
  return {
    sendText: (text) => send(text),
    sendBytes: send,
    close(code, reason) {
      // 1006 cannot be sent (RFC 6455 §7.4.1): it says that nobody is there to hear it.
      if (code === 1006) return ws.terminate();
      ws.close(sendableCode(code), reason);
      const timer = setTimeout(() => ws.terminate(), CLOSE_TIMEOUT_MS);
      ws.once('close', () => clearTimeout(timer));
    },
  };
}

/** `binaryType` is ws's default, "nodebuffer": a message is one Buffer. */
const bytesOf = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]);
