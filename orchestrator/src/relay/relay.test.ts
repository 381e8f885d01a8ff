import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { EMPTY_CONFIG, type RequestHead, type SiteConfig } from '@clawdbot/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ReplyBody } from '../calls/index.ts';
import { createLogger } from '../log.ts';
import { DEFAULT_ALLOW, parseAllow } from './allow.ts';
import { createRelay, type RelayedCall, type RelayOptions } from './relay.ts';

/** All of a body, however it comes; rejects with what it breaks off with. */
function whole(body: ReplyBody): Promise<Buffer> {
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
const text = async (body: ReplyBody): Promise<string> => (await whole(body)).toString();

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // A TCP server's address is an object, and there is one once it listens.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function upstream(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => server.closeAllConnections());
  return listening(server);
}

/** An upstream that speaks bytes, not HTTP. */
async function rawUpstream(connected: (socket: Socket) => void): Promise<string> {
  return listening(
    createTcpServer((socket) => {
      onTestFinished(() => void socket.destroy());
      connected(socket.on('error', () => undefined));
    }),
  );
}

type RouteInput = Partial<SiteConfig['routes'][number]> & { upstream: string };

function relayTo(routes: RouteInput[], more: Partial<RelayOptions> = {}) {
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

const call = (head: Partial<RequestHead> = {}, more: Partial<RelayedCall> = {}): RelayedCall => ({
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

describe('what the upstream is sent', () => {
  it('is the path and query byte by byte, behind the upstream’s own path', async () => {
    const seen: string[] = [];
    const origin = await upstream((request, response) => {
      seen.push(request.url ?? '');
      response.end();
    });
    const relay = relayTo([{ upstream: `${origin}/base/` }, { path: '/b', upstream: origin }]);
    const url = "/a//b/%2F%2f/ü'?q=1&q=%20+&;x=[]{}|".replace('ü', '%C3%BC');
    await relay.handle(call({ url }));
    await relay.handle(call({ url: '/b?x#' }));
    expect(seen).toEqual([`/base${url}`, '/b?x#']);
  });

  it('has the headers in order, repeated ones apart, less those of one connection', async () => {
    let raw: string[] = [];
    const origin = await upstream((request, response) => {
      raw = request.rawHeaders;
      response.end();
    });
    const headers: RequestHead['headers'] = [
      ['X-B', '1'],
      ['Host', 'shop.example'],
      ['x-forwarded-host', 'shop.example'],
      ['Connection', 'keep-alive, X-Mine'],
      ['X-Mine', 'dropped'],
      ['X-A', 'é'],
      ['X-B', '2'],
      ['Transfer-Encoding', 'chunked'],
      ['Keep-Alive', 'timeout=5'],
      ['Content-Length', '999'],
      ['X-Request-Id', 'the customer’s own'],
    ];
    await relayTo([{ upstream: origin }]).handle(
      call({ method: 'POST', headers }, { body: Buffer.from('abc') }),
    );
    const sent: [string, string][] = [];
    for (let at = 0; at < raw.length; at += 2) sent.push([raw[at] ?? '', raw[at + 1] ?? '']);
    const ours = sent.filter(([name]) => !/^(connection)$/i.test(name));
    expect(ours).toEqual([
      ['host', new URL(origin).host],
      ['X-B', '1'],
      ['x-forwarded-host', 'shop.example'],
      // Node shows header bytes as Latin-1: these are the customer's own, UTF-8.
      ['X-A', Buffer.from('é', 'utf8').toString('latin1')],
      ['X-B', '2'],
      ['x-request-id', 'r-1'],
      ['content-length', '3'],
    ]);
  });

  it('has an answer whose header bytes are read as UTF-8, or as Latin-1 when they are not', async () => {
    const head = Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nX-Utf8: Łódź\r\nX-Latin: '),
      Buffer.of(0xe9),
      Buffer.from('\r\nContent-Length: 0\r\n\r\n'),
    ]);
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(head)));
    const { headers } = await relayTo([{ upstream: origin }]).handle(call());
    expect(headers).toEqual(
      expect.arrayContaining([
        ['X-Utf8', 'Łódź'],
        ['X-Latin', 'é'],
      ]),
    );
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND'])(
    'is a %s when the customer sent one, its body with it',
    async (method) => {
      const origin = await upstream(async (request, response) => {
        const chunks = await request.toArray();
        response.end(`${request.method} ${Buffer.concat(chunks)}`);
      });
      const body = ['GET', 'HEAD'].includes(method) ? null : Buffer.from('body');
      const reply = await relayTo([{ upstream: origin }]).handle(call({ method }, { body }));
      expect(await text(reply.body)).toBe(method === 'HEAD' ? '' : `${method} ${body ?? ''}`);
    },
  );
});

describe('a body that streams to the upstream', () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ab');
    yield Buffer.from('cd');
  }

  it.each([
    [4, 'content-length', '4'],
    [undefined, 'transfer-encoding', 'chunked'],
  ])('of length %s says so: %s: %s', async (length, name, value) => {
    const seen: unknown[] = [];
    const origin = await upstream(async (request, response) => {
      seen.push(request.headers[name], (await request.toArray()).join(''));
      response.end();
    });
    const body = { kind: 'stream' as const, ...(length === undefined ? {} : { length }) };
    await relayTo([{ upstream: origin }]).handle(call({ method: 'POST', body }, { body: pieces() }));
    expect(seen).toEqual([value, 'abcd']);
  });
});

describe('what comes back', () => {
  it('is the answer as it is: status, headers in order and apart, no redirect followed, nothing unpacked', async () => {
    const packed = Buffer.from([0x1f, 0x8b, 1, 2, 3]);
    const origin = await upstream((_request, response) => {
      response.sendDate = false;
      response.writeHead(
        302,
        [
          ['Set-Cookie', 'a=1'],
          ['Location', '/elsewhere'],
          ['Set-Cookie', 'b=2'],
          ['Content-Encoding', 'gzip'],
          ['Connection', 'X-Hop, keep-alive'],
          ['X-Hop', 'dropped'],
          ['Content-Length', '5'],
        ].flat(),
      );
      response.end(packed);
    });
    const reply = await relayTo([{ upstream: origin }]).handle(call());
    expect(reply.status).toBe(302);
    expect(reply.headers).toEqual([
      ['Set-Cookie', 'a=1'],
      ['Location', '/elsewhere'],
      ['Set-Cookie', 'b=2'],
      ['Content-Encoding', 'gzip'],
      ['Content-Length', '5'],
    ]);
    expect(await whole(reply.body)).toEqual(packed);
  });

  it('is whole when it is small, and streams when it is not, or when its end is not in sight', async () => {
    const origin = await upstream((request, response) => {
      const size = Number(request.url?.slice(1));
      if (size > 0) response.end(Buffer.alloc(size, 7));
      else response.write('first');
    });
    const relay = relayTo([{ upstream: origin }]);
    const small = await relay.handle(call({ url: '/16384' }));
    expect(small.body).toBeInstanceOf(Uint8Array);
    const large = await relay.handle(call({ url: '/3000000' }));
    expect(large.body).not.toBeInstanceOf(Uint8Array);
    expect((await whole(large.body)).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    const endless = await relay.handle(call({ url: '/0' }));
    expect(endless.body).not.toBeInstanceOf(Uint8Array);
  });

  it('is read from the upstream no faster than it is taken', async () => {
    const origin = await upstream((_request, response) => void response.end(Buffer.alloc(1_000_000)));
    const { body } = await relayTo([{ upstream: origin }]).handle(call());
    if (body === null || body instanceof Uint8Array) throw new Error('expected a stream');
    const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
    let taken = 0;
    let wanted = 1;
    const write = (piece: Uint8Array): boolean => {
      if (--wanted < 0) fail(new Error('a piece that nobody asked for'));
      taken += piece.length;
      setImmediate(() => {
        wanted++;
        body.resume();
      });
      return false;
    };
    body.start({ write, end, fail });
    await ended;
    expect(taken).toBe(1_000_000);
  });

  it('that breaks off behind its head fails there, and is let go when the customer leaves', async () => {
    const gone = Promise.withResolvers<void>();
    const origin = await upstream((request, response) => {
      response.write('first');
      if (request.url === '/dies') setImmediate(() => response.destroy());
      response.on('close', () => gone.resolve());
    });
    const relay = relayTo([{ upstream: origin }]);
    const { body } = await relay.handle(call({ url: '/dies' }));
    await expect(whole(body)).rejects.toMatchObject({ code: 'upstream_failed' });
    const customer = new AbortController();
    const endless = await relay.handle(call({}, { signal: customer.signal }));
    const failed = expect(whole(endless.body)).rejects.toThrow('the customer left');
    customer.abort(new Error('the customer left'));
    await failed;
    await gone.promise;
  });

  it('to HEAD has the length and no body', async () => {
    const origin = await upstream(
      (_request, response) => void response.writeHead(200, { 'content-length': 5_000_000 }).end(),
    );
    const reply = await relayTo([{ upstream: origin }]).handle(call({ method: 'HEAD' }));
    expect([
      reply.body,
      new Map(reply.headers).get('Content-Length') ?? new Map(reply.headers).get('content-length'),
    ]).toEqual([null, '5000000']);
  });
});

describe('an upstream that fails', () => {
  it('refuses the connection: nothing was started', async () => {
    const server = createTcpServer();
    const origin = await listening(server);
    server.close();
    await once(server, 'close');
    await expect(relayTo([{ upstream: origin }]).handle(call())).rejects.toMatchObject({
      code: 'upstream_failed',
      message: expect.stringMatching(/ECONNREFUSED/),
      details: { execution: 'not_started' },
    });
  });

  it.each([
    ['before it answers', ''],
    ['in the middle of its head', 'HTTP/1.1 200 OK\r\nX-A: '],
    ['in the middle of its body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['with something that is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('breaks off %s: it may have been carried out', async (_when, bytes) => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(bytes)));
    await expect(relayTo([{ upstream: origin }]).handle(call({ method: 'POST' }))).rejects.toMatchObject({
      code: 'upstream_failed',
      details: { execution: 'may_have_executed' },
    });
  });

  it('is given up at the route’s timeout, and its connection destroyed', async () => {
    const route = { timeoutMs: 50 };
    const head = { deadlineMs: 60_000 };
    const gone = Promise.withResolvers<void>();
    const origin = await upstream((_request, response) => void response.on('close', () => gone.resolve()));
    await expect(relayTo([{ upstream: origin, ...route }]).handle(call(head))).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringMatching(/50 ms/),
      details: { execution: 'may_have_executed' },
    });
    await gone.promise;
  });

  it('is let go when the customer leaves, with the reason they left for', async () => {
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const origin = await upstream((_request, response) => {
      asked.resolve();
      response.on('close', () => gone.resolve());
    });
    const customer = new AbortController();
    const answer = relayTo([{ upstream: origin }]).handle(call({}, { signal: customer.signal }));
    const failed = expect(answer).rejects.toThrow('the customer left');
    await asked.promise;
    customer.abort(new Error('the customer left'));
    await failed;
    await gone.promise;
  });
});

describe('what the config does not provide for', () => {
  const routes = [
    { path: '/hooks/*', methods: ['POST'], upstream: 'http://127.0.0.1:1' },
    { path: '/hooks/*', methods: ['PUT'], upstream: 'http://127.0.0.1:1' },
  ];

  it.each([
    ['a path without a route', { url: '/other' }, 404, 'not_found'],
    ['a site without a config', { siteId: 'site-2' }, 404, 'not_found'],
    ['a method no route takes', { url: '/hooks/x?y', method: 'GET' }, 405, 'method_not_allowed'],
    ['a path that leaves the prefix', { url: '/hooks/%2e%2E/admin', method: 'POST' }, 400, 'bad_request'],
  ])('%s is answered as a problem', async (_what, head, status, code) => {
    const reply = await relayTo(routes).handle(call(head));
    expect(reply.status).toBe(status);
    expect(JSON.parse(await text(reply.body))).toMatchObject({ status, code, requestId: 'r-1' });
    expect(reply.headers[0]).toEqual(['content-type', 'application/problem+json']);
    if (status === 405) expect(reply.headers[1]).toEqual(['allow', 'POST, PUT']);
  });

  it('an upstream that is not on the list any more is not called', async () => {
    const failing = relayTo([{ upstream: 'http://127.0.0.1:1' }], { allow: parseAllow('n8n:5678') }).handle(
      call(),
    );
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/UPSTREAM_ALLOW/),
      details: { execution: 'not_started' },
    });
  });
});

describe('an upstream that is a name', () => {
  /** An upstream on this machine, which `shop.example` leads to as long as its owner says so. */
  async function named(list: string) {
    const { port } = new URL(await upstream((_request, response) => response.end('inside')));
    const leadsTo = { addresses: ['127.0.0.1'] };
    const relay = relayTo([{ upstream: `http://shop.example:${port}` }], {
      allow: parseAllow(list),
      resolve: (_name, done) =>
        done(
          null,
          leadsTo.addresses.map((address) => ({ address, family: 4 })),
        ),
    });
    return { relay, leadsTo };
  }

  it('is not called where its name may not lead, and the failure says what to write', async () => {
    const { relay } = await named('shop.example:*');
    await expect(relay.handle(call())).rejects.toMatchObject({
      code: 'upstream_failed',
      message: expect.stringMatching(/leads to 127\.0\.0\.1, .*shop\.example:<port>=127\.0\.0\.1/),
      details: { execution: 'not_started' },
    });
  });

  it('is called where the operator says that it is, at those of its addresses alone', async () => {
    const { relay, leadsTo } = await named('shop.example:*=127.0.0.1');
    leadsTo.addresses = ['169.254.169.254', '127.0.0.1'];
    expect(await text((await relay.handle(call())).body)).toBe('inside');
  });
});

describe('a request for the orchestrator itself', () => {
  it('is answered in this process, without any upstream', async () => {
    const relay = relayTo([], {
      self: async ({ head }) => ({ status: 200, headers: [], body: Buffer.from(head.url) }),
    });
    expect(await text((await relay.handle(call({ target: 'self', url: '/health' }))).body)).toBe('/health');
  });
});
