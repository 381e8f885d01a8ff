import {
  chunksOf,
  encodeChunk,
  Failure,
  STREAM_IDLE_MS,
  STREAM_OPENING_BYTES,
  STREAM_WINDOW_BYTES,
} from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BodySink, CallBody } from '../calls/index.ts';
import { clock, edge, open, ownSession, relayed, request, send, session, settle } from './session.fixture.ts';

ownSession();

/** All of a request's body, as the upstream would read it. */
async function read(body: CallBody | undefined): Promise<Buffer> {
  if (body === null || body === undefined) return Buffer.alloc(0);
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** An answer's body that comes as the test says. */
function upstreamBody() {
  let sink: BodySink | undefined;
  let resumed = 0;
  const body = {
    length: undefined,
    start: (given: BodySink) => {
      sink = given;
    },
    resume: () => {
      resumed++;
    },
  };
  return {
    body,
    resumed: () => resumed,
    sink: (): BodySink => {
      if (sink === undefined) throw new Error('nobody reads it yet');
      return sink;
    },
  };
}

describe('PROTOCOL: bodies of calls from the edge', () => {
  beforeEach(() => open());

  it('F1, C6: an answer to the only open call leaves at once, with a small body in its head', async () => {
    send(request(2, { body: { kind: 'text', data: 'grüße' } }));
    expect((await read(relayed[0]?.body)).toString()).toBe('grüße');
    relayed[0]?.answer({ status: 201, headers: [['a', '1']], body: Buffer.from('ok') });
    await Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => {});
    expect(edge.take('response')).toEqual([
      { type: 'response', id: 2, status: 201, headers: [['a', '1']], body: { kind: 'text', data: 'ok' } },
    ]);
  });

  it('C6: bytes that are not UTF-8 travel as base64, and large ones as binary messages', async () => {
    send(
      request(2, { body: { kind: 'base64', data: Buffer.from([0xff, 0]).toString('base64') } }),
      request(4),
    );
    expect([...(await read(relayed[0]?.body))]).toEqual([0xff, 0]);
    relayed[0]?.answer({ body: Buffer.from([0xfe]) });
    relayed[1]?.answer({ body: Buffer.alloc(100_000) });
    await settle();
    expect(edge.take('response').map(({ body }) => body)).toEqual([
      { kind: 'base64', data: '/g==' },
      { kind: 'stream', length: 100_000 },
    ]);
    expect(edge.bodies.get(4)).toEqual([STREAM_OPENING_BYTES]);
    send({ type: 'credit', id: 4, bytes: 50_000 });
    expect(edge.bodies.get(4)).toEqual([65_536, 34_464]);
  });

  it('C6, C8: a streamed request body is handed on as it comes, and granted as it is read', async () => {
    send(request(2, { body: { kind: 'stream' } }), request(4, { body: { kind: 'stream' } }));
    expect(relayed.map(({ head }) => head.id)).toEqual([2, 4]);
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: new Uint8Array(STREAM_OPENING_BYTES) }));
    session.receiveBytes(encodeChunk({ id: 4, last: false, bytes: new Uint8Array(5) }));
    send({ type: 'end', id: 4 });
    expect((await read(relayed[1]?.body)).length).toBe(5);
    expect(edge.take('credit')).toEqual([]);
    const body = read(relayed[0]?.body);
    await settle();
    expect(edge.take('credit')).toEqual([{ type: 'credit', id: 2, bytes: STREAM_WINDOW_BYTES }]);
    session.receiveBytes(encodeChunk({ id: 2, last: true, bytes: new Uint8Array(9) }));
    expect((await body).length).toBe(STREAM_OPENING_BYTES + 9);
  });

  it('C6: a small streamed body of known length is handed on whole', async () => {
    send(request(2, { body: { kind: 'stream', length: 6 } }));
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: Buffer.from('abc') }));
    await settle();
    expect(relayed).toEqual([]);
    session.receiveBytes(encodeChunk({ id: 2, last: true, bytes: Buffer.from('def') }));
    await settle();
    expect(relayed[0]?.body).toEqual(new Uint8Array(Buffer.from('abcdef')));
  });

  it('C8: a body beyond its credit ends the socket', () => {
    send(request(2, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(STREAM_OPENING_BYTES + 1)))
      session.receiveBytes(encodeChunk(chunk));
    expect(edge.closed?.code).toBe(4400);
  });

  it('C8: an answer is read from its upstream no faster than the edge grants', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    expect(edge.take('response')[0]).toMatchObject({ id: 2, body: { kind: 'stream' } });
    expect(upstream.sink().write(Buffer.alloc(STREAM_OPENING_BYTES))).toBe(false);
    expect(upstream.sink().write(Buffer.alloc(65_536))).toBe(false);
    expect(edge.bodies.get(2)).toEqual([STREAM_OPENING_BYTES]);
    clock.pass(1);
    send({ type: 'credit', id: 2, bytes: 65_536 });
    expect([edge.bodies.get(2)?.length, upstream.resumed()]).toEqual([2, 0]);
    send({ type: 'credit', id: 2, bytes: 1 });
    expect(upstream.resumed()).toBe(1);
    upstream.sink().end();
    clock.flush();
    expect(edge.take('end')).toEqual([{ type: 'end', id: 2 }]);
    expect(session.callsOpen).toBe(0);
  });

  it('C2: an answer that breaks off is an error behind its head', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    upstream.sink().write(Buffer.from('half'));
    upstream.sink().fail(new Failure('upstream_failed', 'it died'));
    clock.flush();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'upstream_failed' } });
    expect([edge.take('end'), session.callsOpen]).toEqual([[], 0]);
  });

  it('C2: cancel stops an answer that streams', async () => {
    const upstream = upstreamBody();
    send(request(2));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    send({ type: 'cancel', id: 2, reason: 'the customer has gone' });
    expect(relayed[0]?.signal.aborted).toBe(true);
    expect(upstream.sink().write(Buffer.from('more'))).toBe(false);
    expect(edge.bodies.get(2)).toBeUndefined();
  });

  it('C4: the deadline counts from the last byte of the request that was passed on', async () => {
    send(request(2, { deadlineMs: 50, body: { kind: 'stream' } }));
    const body = read(relayed[0]?.body);
    clock.pass(40);
    session.receiveBytes(encodeChunk({ id: 2, last: false, bytes: new Uint8Array(5) }));
    await settle();
    clock.pass(40);
    expect(edge.take('error')).toEqual([]);
    clock.pass(20);
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'deadline_exceeded' } });
    await expect(body).rejects.toThrow();
  });

  it('C4: an answer that streams has no deadline, but may not be idle for ever', async () => {
    const upstream = upstreamBody();
    send(request(2, { deadlineMs: 50 }));
    relayed[0]?.answer({ body: upstream.body });
    await settle();
    const pass = (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        clock.pass(10_000);
        session.receiveText('pong');
      }
    };
    pass(STREAM_IDLE_MS - 20_000);
    upstream.sink().write(Buffer.from('event'));
    pass(STREAM_IDLE_MS - 20_000);
    expect(edge.take('error')).toEqual([]);
    pass(30_000);
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'deadline_exceeded' } });
    expect(relayed[0]?.signal.aborted).toBe(true);
  });
});
