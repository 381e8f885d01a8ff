import type { RequestHead } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { call, relayTo, text, upstream } from './relay.fixture.ts';

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
