import { Agent, type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { INTERNAL_PREFIX } from '../runner/wire.ts';

/** Connection-level fields (RFC 9110, 7.6.1), and `expect`, which Node answers by itself. */
const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A connection per request: a runner that was restarted would leave dead ones behind in a pool. */
const agent = new Agent({ keepAlive: false });

type Keep = (name: string) => boolean;

/** Raw header pairs, in their order and repeated as they came, less the ones not kept. */
function kept(raw: readonly string[], keep: Keep): string[] {
  return raw.flatMap((name, at) =>
    at % 2 === 0 && keep(name.toLowerCase()) ? [name, raw[at + 1] ?? ''] : [],
  );
}

function requestHeaders(req: IncomingMessage, internal: Record<string, string>): string[] {
  const named = (req.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const keep: Keep = (name) =>
    !HOP_BY_HOP.has(name) &&
    !named.includes(name) &&
    !name.startsWith(INTERNAL_PREFIX) &&
    name !== 'cf-connecting-ip';
  const chunked = req.headers['transfer-encoding'] ? ['transfer-encoding', 'chunked'] : [];
  return [
    ...kept(req.rawHeaders, keep),
    ...chunked,
    // As at Cloudflare's edge, this one is ours and never the customer's.
    'cf-connecting-ip',
    req.socket.remoteAddress ?? '',
    ...Object.entries(internal).flat(),
  ];
}

function answerUnavailable(res: ServerResponse, status: 502 | 503): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  res.writeHead(status, { 'content-type': 'text/plain', 'retry-after': '1' });
  res.end(status === 503 ? 'The runner of Workers is not up.\n' : 'The runner of Workers broke off.\n');
}

/**
 * workerd (1.20261102) takes a FIN for a half-closed connection and goes on serving it; only a reset tells
 * it that the customer is gone, and cancels the Worker with what it fetches.
 */
function breakOff(upstream: ClientRequest): void {
  upstream.socket?.resetAndDestroy();
  upstream.destroy();
}

const wasRefused = (error: Error): boolean => 'code' in error && error.code === 'ECONNREFUSED';

/**
 * Streams a customer's request to the runner and its answer back: method, path, Host, raw headers and
 * bytes as they are. Whoever goes away takes the other side with him. 503 while the runner is down.
 *
 * One difference to Cloudflare: when a Worker answers without reading a body that is larger than 64 KiB,
 * workerd resets the connection (kj's `canceledUploadGraceBytes`), and the customer may get a 502 instead.
 */
export function forward(
  req: IncomingMessage,
  res: ServerResponse,
  runnerPort: number,
  internal: Record<string, string>,
): void {
  const { method, url: path } = req;
  const upstream = request({
    host: '127.0.0.1',
    port: runnerPort,
    agent,
    ...(method !== undefined && { method }),
    ...(path !== undefined && { path }),
    headers: requestHeaders(req, internal),
  });
  upstream.on('response', (answer) => {
    const headers = kept(answer.rawHeaders, (name) => !HOP_BY_HOP.has(name));
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
    // Headers at once: the first bytes of an event stream may be long in coming.
    res.flushHeaders();
    pipeline(answer, res, () => undefined);
  });
  upstream.on('error', (error) => {
    // What the customer still sends is read and dropped: he would not see the answer on a reset connection.
    req.unpipe(upstream).resume();
    answerUnavailable(res, wasRefused(error) ? 503 : 502);
  });
  res.on('close', () => res.writableFinished || breakOff(upstream));
  req.pipe(upstream);
}
