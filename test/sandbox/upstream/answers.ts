import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** A request whose body has been read: what it was, and its digest. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly body: { readonly length: number; readonly sha256: string };
}

const SSE_INTERVAL_MS = 1_000;
const CHUNK_BYTES = 64 * 1024;

export function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

/** Header names and values as they came: in order, repeated ones apart, in the sender's capitals. */
function headerPairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as [string, string]] : []));
}

export function echo({ request, body }: Asked, response: ServerResponse): void {
  const { method, url, rawHeaders } = request;
  json(response, 200, { method, url, headers: headerPairs(rawHeaders), body });
}

/** One event at once, then one a second, until the reader goes away. */
export function events(response: ServerResponse, now: () => Date): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  let id = 0;
  const send = () => {
    id += 1;
    response.write(`id: ${id}\ndata: ${JSON.stringify({ n: id, at: now().toISOString() })}\n\n`);
  };
  send();
  const timer = setInterval(send, SSE_INTERVAL_MS);
  response.on('close', () => clearInterval(timer));
}

/** `n` bytes, the same at every asking: the byte at position i is i mod 251, a prime, so that a cut shows. */
export function bytes(response: ServerResponse, n: number): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': n });
  Readable.from(pattern(n)).pipe(response);
}

const PERIOD = 251;
/** A chunk and one period more, so that every chunk is a piece of it: made byte by byte, they would take all the time. */
const PATTERN = Uint8Array.from({ length: CHUNK_BYTES + PERIOD }, (_, at) => at % PERIOD);

function* pattern(length: number): Generator<Uint8Array> {
  for (let at = 0; at < length; at += CHUNK_BYTES) {
    const from = at % PERIOD;
    yield PATTERN.subarray(from, from + Math.min(CHUNK_BYTES, length - at));
  }
}

export function slow(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => json(response, 200, { sleptMs: ms }), ms);
  response.on('close', () => clearTimeout(timer));
}
