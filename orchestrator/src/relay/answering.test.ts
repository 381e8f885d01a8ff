import { describe, expect, it } from 'vitest';
import { call, rawUpstream, relayTo, upstream, whole } from './relay.fixture.ts';

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

  it('has header bytes that are read as UTF-8, or as Latin-1 when they are not', async () => {
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
