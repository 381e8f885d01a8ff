import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
  request,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withSystem } from './harness/system.ts';

const system = withSystem();

const KIB = 1024;
const MIB = 1024 * KIB;
const WITHIN_MS = 20_000;

/** An upstream of the tests' own, behind a route of the demo site. What it does, each test says. */
let serve: RequestListener;
let begin: RequestListener = () => undefined;
let own: string;
beforeAll(async () => {
  const server = createServer({ maxHeaderSize: 256 * KIB }, (asked, response) => begin(asked, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // Of a server that listens on TCP.
  const { config } = await system().config();
  const routes = [{ path: '/own/*', upstream: own, offline: 'unavailable' }, ...config.routes];
  expect((await system().configure({ routes })).state).toBe('succeeded');
  return () => {
    server.closeAllConnections();
    server.close();
  };
}, 60_000);
beforeEach(() => {
  serve = (_asked, response) => response.end();
  begin = (asked, response) => serve(asked, response);
});

/** A customer's request to the tests' own upstream: `fetch` would hide too much. Resolves with the head. */
function ask(
  path: string,
  options: RequestOptions = {},
  body?: Readable | Uint8Array,
): Promise<IncomingMessage> {
  const { relayUrl, siteId } = system().file;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(WITHIN_MS);
  const sent = request(`${relayUrl}/s/${siteId}/own${path}`, { signal, ...options }, resolve);
  sent.on('error', reject);
  if (body instanceof Readable) pipeline(body, sent).catch(reject);
  else sent.end(body);
  return promise;
}

/** Ends the connection by a reset: bare workerd takes a mere end for one half of it (HTTP/1 allows that). */
const leave = (answer: IncomingMessage): void =>
  void answer.on('error', () => undefined).socket.resetAndDestroy();

const sha256 = () => createHash('sha256');
const whole = async (answer: IncomingMessage): Promise<Buffer> => Buffer.concat(await answer.toArray());

describe('large bodies', () => {
  const pieces = Array.from({ length: 320 }, () => randomBytes(64 * KIB));
  const digest = pieces.reduce((hash, piece) => hash.update(piece), sha256()).digest('hex');

  test.each([
    ['of known length', { 'content-length': 20 * MIB }],
    ['in chunks', {}],
  ])('20 MiB %s go up and come down as they are, both at once', async (_, headers) => {
    serve = (asked, response) => {
      response.writeHead(200, headers);
      asked.pipe(response);
    };
    const answer = await ask('/up', { method: 'POST', headers }, Readable.from(pieces));
    const hash = sha256();
    let length = 0;
    for await (const piece of answer) {
      hash.update(piece);
      length += piece.length;
    }
    expect([answer.statusCode, length, hash.digest('hex')]).toEqual([200, 20 * MIB, digest]);
    expect(answer.headers['content-length']).toBe('content-length' in headers ? String(20 * MIB) : undefined);
  });

  test('a body over 100 MiB is 413, and none of it reaches the upstream', async () => {
    let asked = 0;
    serve = () => void asked++;
    const headers = { 'content-length': 100 * MIB + 1, connection: 'close' };
    const { relayUrl, siteId } = system().file;
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const sent = request(`${relayUrl}/s/${siteId}/own/`, { method: 'POST', headers }, (answer) => {
      resolve(answer.statusCode);
      sent.destroy();
    });
    sent.on('error', () => undefined);
    sent.write('x');
    expect([await promise, asked]).toEqual([413, 0]);
  });
});

describe('a stream', () => {
  test('of events comes event by event', async () => {
    const next = Promise.withResolvers<void>();
    serve = async (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      await next.promise;
      response.end('data: 2\n\n');
    };
    const answer = await ask('/sse');
    const events = answer[Symbol.asyncIterator]();
    expect(String((await events.next()).value)).toBe('data: 1\n\n');
    next.resolve();
    expect(String((await events.next()).value)).toBe('data: 2\n\n');
    expect((await events.next()).done).toBe(true);
  });

  test('whose customer leaves is let go by the upstream, though nothing more is sent', async () => {
    const gone = Promise.withResolvers<void>();
    serve = (_asked, response) => {
      response.write('data: 1\n\n');
      response.on('close', () => gone.resolve());
    };
    leave(await ask('/sse'));
    await gone.promise;
  });

  test('of a customer who leaves while it goes up is let go by the upstream', async () => {
    const began = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<string>();
    serve = (asked) => {
      asked.once('data', () => began.resolve());
      asked.on('error', (error) => gone.resolve(error.message));
      asked.on('end', () => gone.resolve('a clean end'));
    };
    const customer = new AbortController();
    const body = new Readable({ read: () => undefined });
    body.push(randomBytes(100 * KIB));
    const answered = ask('/up', { method: 'POST', signal: customer.signal }, body);
    answered.catch(() => undefined);
    await began.promise;
    customer.abort();
    expect(await gone.promise).toBe('aborted');
  });

  test.each([
    ['of known length', { 'content-length': MIB }],
    ['in chunks', {}],
  ])('%s whose upstream dies is broken off for the customer, never ended', async (_, headers) => {
    serve = (_asked, response) => {
      response.writeHead(200, headers);
      response.write(randomBytes(100 * KIB), () => setImmediate(() => response.destroy()));
    };
    const answer = await ask('/dies');
    await expect(whole(answer)).rejects.toThrow('aborted');
  });

  test.each([
    ['of known length', { 'content-length': 200 * MIB }],
    ['in chunks', {}],
  ])('%s that nobody reads is not read from the upstream either, and delays no other', async (_, headers) => {
    let written = 0;
    const stalled = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    serve = (asked, response) => {
      if (asked.url !== '/own/stalled') return void response.end('ok');
      response.on('close', () => gone.resolve());
      response.writeHead(200, headers);
      const more = (): void => {
        // Past what the kernel and each hop may hold it can only be that somebody reads on.
        for (let full = false; !full && written < 200 * MIB; written += 64 * KIB) {
          full = !response.write(Buffer.alloc(64 * KIB));
          if (full) response.once('drain', more);
        }
        if (written > MIB) stalled.resolve();
      };
      more();
    };
    const answer = await ask('/stalled', { signal: AbortSignal.timeout(60_000) });
    answer.pause();
    await stalled.promise;
    const late: number[] = [];
    for (let n = 0; n < 300; n++) {
      const at = performance.now();
      expect(String(await whole(await ask('/quick')))).toBe('ok');
      late.push(performance.now() - at);
    }
    expect(late.toSorted((a, b) => a - b)[296]).toBeLessThan(100);
    expect(written).toBeLessThan(30 * MIB);
    leave(answer);
    await gone.promise;
  });
});

describe('HTTP as it is', () => {
  test('a range is 206 with its length', async () => {
    serve = (asked, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-99999/200000', 'content-length': 100_000 });
      response.end(asked.headers.range === 'bytes=0-99999' ? Buffer.alloc(100_000) : '');
    };
    const answer = await ask('/file', { headers: { range: 'bytes=0-99999' } });
    const { 'content-range': range, 'content-length': length } = answer.headers;
    expect([answer.statusCode, range, length]).toEqual([206, 'bytes 0-99999/200000', '100000']);
    expect((await whole(answer)).length).toBe(100_000);
  });

  test('HEAD has the length of a body that does not come', async () => {
    serve = (_asked, response) => response.writeHead(200, { 'content-length': 5 * MIB }).end();
    const answer = await ask('/file', { method: 'HEAD' });
    expect([answer.headers['content-length'], (await whole(answer)).length]).toEqual([String(5 * MIB), 0]);
  });

  test.each([204, 205, 304])('%i has no body and comes at once', async (status) => {
    serve = (_asked, response) => response.writeHead(status, { etag: '"a"' }).end();
    const answer = await ask('/');
    expect([answer.statusCode, answer.headers.etag, (await whole(answer)).length]).toEqual([
      status,
      '"a"',
      0,
    ]);
  });

  test.each([300, 300 * KIB])('gzip of %i bytes is passed as it is', async (bytes) => {
    const packed = gzipSync(randomBytes(bytes));
    serve = (_asked, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed);
    const answer = await ask('/', { headers: { 'accept-encoding': 'gzip' } });
    const body = await whole(answer);
    expect([answer.headers['content-encoding'], body.equals(packed)]).toEqual(['gzip', true]);
    expect(gunzipSync(body).length).toBe(bytes);
  });

  test('cookies stay apart, and a redirect is the customer’s to follow', async () => {
    serve = (_asked, response) =>
      response.writeHead(307, { location: '/else', 'set-cookie': ['a=1; Path=/', 'b=2'] }).end();
    const { statusCode, headers } = await ask('/');
    expect([statusCode, headers.location, headers['set-cookie']]).toEqual([
      307,
      '/else',
      ['a=1; Path=/', 'b=2'],
    ]);
  });

  test('odd URLs arrive as they were sent', async () => {
    const urls: (string | undefined)[] = [];
    serve = (asked, response) => {
      urls.push(asked.url);
      response.end();
    };
    const odd = [
      '/a//b',
      '/%7Euser/%41',
      '/a%2Fb',
      '/a;v=1,2/@:!$&()*+=',
      '/?a=%zz&a=&&=b?c/d',
      '/%E2%82%AC',
      "/it's|~",
    ];
    for (const path of odd) await whole(await ask(path));
    expect(urls).toEqual(odd.map((path) => `/own${path}`));
  });

  test.each(['up', 'down'])('large headers go %s', async (way) => {
    const value = 'v'.repeat(8 * KIB);
    const headers = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`x-large-${n}`, value]));
    let seen: IncomingMessage['headers'] = {};
    serve = (asked, response) => {
      seen = asked.headers;
      response.writeHead(200, way === 'down' ? headers : {}).end();
    };
    const answer = await ask('/', { ...(way === 'up' ? { headers } : {}), maxHeaderSize: 256 * KIB });
    expect(way === 'up' ? seen : answer.headers).toMatchObject(headers);
  });
});

describe('a request that smuggles', () => {
  /** Bytes to the relay as they are. @returns the status of what comes back, or `closed` */
  async function raw(lines: string[], body = ''): Promise<string> {
    const { host, port } = new URL(system().file.relayUrl);
    const socket = connect({ port: Number(port), host: '127.0.0.1' });
    const { siteId } = system().file;
    socket.write(
      [`POST /s/${siteId}/own/smuggle HTTP/1.1`, `Host: ${host}`, ...lines, '', body].join('\r\n'),
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once('data', (data) => resolve(String(data).split(' ')[1] ?? ''));
    socket.once('close', () => resolve('closed'));
    socket.on('error', () => resolve('closed'));
    const status = await promise;
    socket.destroy();
    return status;
  }

  test.each([
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6'], 'hello'],
    ['a line break in a value', ['X-A: a\rX-B: b', 'Content-Length: 0'], ''],
    ['a length that is none', ['Content-Length: +5'], 'hello'],
    ['an encoding that is none', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  ])('with %s is refused, and nothing reaches the upstream', async (_, lines, body) => {
    let asked = 0;
    serve = (_request, response) => {
      asked++;
      response.end();
    };
    expect(await raw([...lines, 'Connection: close'], body)).toMatch(/^(400|501|closed)$/);
    expect(asked).toBe(0);
  });

  test('with a length and chunks is read in chunks (RFC 9112 §6.3), and goes on as one request', async () => {
    const seen: unknown[] = [];
    serve = async (asked, response) => {
      const { 'content-length': length, 'transfer-encoding': encoding } = asked.headers;
      seen.push([length, encoding, (await asked.toArray()).join('')]);
      response.end();
    };
    const lines = ['Content-Length: 6', 'Transfer-Encoding: chunked'];
    expect(await raw(lines, '3\r\nabc\r\n0\r\n\r\nGET /s/x HTTP/1.1\r\n\r\n')).toBe('200');
    expect(seen).toEqual([[undefined, 'chunked', 'abc']]);
  });
});
