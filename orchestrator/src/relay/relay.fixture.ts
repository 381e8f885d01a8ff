/** Upstreams on this machine, and a relay that may call them. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { EMPTY_CONFIG, type RequestHead, type SiteConfig } from '@clawdbot/protocol';
import { onTestFinished } from 'vitest';
import type { ReplyBody } from '../calls/index.ts';
import { createLogger } from '../log.ts';
import { DEFAULT_ALLOW, parseAllow } from './allow.ts';
import { createRelay, type RelayedCall, type RelayOptions } from './relay.ts';

/** All of a body, however it comes; rejects with what it breaks off with. */
export function whole(body: ReplyBody): Promise<Buffer> {
  if (body === null || body instanceof Uint8Array) return Promise.resolve(Buffer.from(body ?? []));
  const pieces: Uint8Array[] = [];
  return new Promise((resolve, reject) =>
    body.start({
      write: (piece) => pieces.push(piece) > 0,
      end: () => resolve(Buffer.concat(pieces)),
      fail: reject,
    }),
  );
}

export const text = async (body: ReplyBody): Promise<string> => (await whole(body)).toString();

export async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // A TCP server's address is an object, and there is one once it listens.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function upstream(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => server.closeAllConnections());
  return listening(server);
}

/** An upstream that speaks bytes, not HTTP. */
export async function rawUpstream(connected: (socket: Socket) => void): Promise<string> {
  return listening(
    createTcpServer((socket) => {
      onTestFinished(() => void socket.destroy());
      connected(socket.on('error', () => undefined));
    }),
  );
}

type RouteInput = Partial<SiteConfig['routes'][number]> & { upstream: string };

export function relayTo(routes: RouteInput[], more: Partial<RelayOptions> = {}) {
  const config: SiteConfig = {
    ...EMPTY_CONFIG,
    routes: routes.map((route) => ({ path: '/*', offline: 'unavailable' as const, ...route })),
  };
  const relay = createRelay({
    settings: { configOf: (siteId) => (siteId === 'site-1' ? config : undefined) },
    allow: parseAllow(DEFAULT_ALLOW),
    self: () => Promise.reject(new Error('not for the orchestrator')),
    log: createLogger({ level: 'error', production: true, out: new PassThrough() }),
    ...more,
  });
  onTestFinished(() => relay.close());
  return relay;
}

export const call = (head: Partial<RequestHead> = {}, more: Partial<RelayedCall> = {}): RelayedCall => ({
  head: {
    type: 'request',
    id: 2,
    target: 'upstream',
    siteId: 'site-1',
    method: 'GET',
    url: '/',
    headers: [],
    body: { kind: 'none' },
    requestId: 'r-1',
    deadlineMs: 5_000,
    ...head,
  },
  body: null,
  signal: new AbortController().signal,
  ...more,
});
