import { decodeChunk, encodeChunk, STREAM_OPENING_BYTES, STREAM_WINDOW_BYTES } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { channelOf, Peer, value } from './channel.fixture.ts';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

let vps: string;
let peer: Peer;
let count = 0;
beforeEach(async () => {
  vps = `vps-streams-${++count}`;
  value(await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' }));
  peer = await Peer.connect(vps);
  return () => peer.close(1000, '');
});

const call = (more: Partial<RelayCall> = {}): RelayCall => ({
  requestId: `r${count}`,
  target: 'upstream',
  siteId: 'shop',
  method: 'POST',
  url: '/',
  headers: [],
  body: null,
  deadlineMs: 5_000,
  ...more,
});

/** A call whose answer streams: its id, and the customer's end of the body. */
async function streaming(more: Partial<RelayCall> = {}) {
  const answered = channelOf(vps).relay(call(more));
  const { id } = await peer.next('request');
  peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'stream' } });
  return { id, body: streamOf(value(await answered).body) };
}

function streamOf(body: RelayReply['body']): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body;
  throw new Error('expected a stream');
}

/** All that workerd tells across RPC of a stream that failed. */
const BREAKS_OFF = 'disconnected prematurely';

const piece = (id: number, bytes: number, last = false) =>
  peer.sendRaw(encodeChunk({ id, last, bytes: new Uint8Array(bytes).fill(1) }));

describe('PROTOCOL: a body to the customer', () => {
  it('comes as it is sent, each piece at once', async () => {
    const { id, body } = await streaming();
    const reader = body.getReader();
    for (const bytes of [5, 9]) {
      piece(id, bytes);
      expect((await reader.read()).value?.length).toBe(bytes);
    }
    peer.send({ type: 'end', id });
    expect((await reader.read()).done).toBe(true);
  });

  it('C8: is granted again as it is read, and not before', async () => {
    const { id, body } = await streaming();
    piece(id, STREAM_OPENING_BYTES);
    const reader = body.getReader();
    let got = 0;
    while (got < STREAM_OPENING_BYTES) got += (await reader.read()).value?.length ?? 0;
    expect(await peer.next('credit')).toEqual({ type: 'credit', id, bytes: STREAM_WINDOW_BYTES });
    await reader.cancel();
  });

  it('C8: beyond its credit ends the socket', async () => {
    const { id } = await streaming();
    // What is read is granted again, and it may be read ahead across RPC: this is more than can have been.
    for (let sent = 0; sent < 2 * STREAM_WINDOW_BYTES; sent += STREAM_OPENING_BYTES) {
      piece(id, STREAM_OPENING_BYTES);
    }
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });

  it('C2: that breaks off breaks off for the customer', async () => {
    const { id, body } = await streaming();
    piece(id, 5);
    const reader = body.getReader();
    await reader.read();
    const error = { code: 'upstream_failed' as const, message: 'it died', retryable: true };
    peer.send({ type: 'error', id, error });
    await expect(reader.read()).rejects.toThrow(BREAKS_OFF);
  });

  it('C2: breaks off with its socket', async () => {
    const { body } = await streaming();
    peer.close(1001, 'stopping');
    await expect(body.getReader().read()).rejects.toThrow(BREAKS_OFF);
  });

  it('C2: whose customer has gone is cancelled on the wire', async () => {
    const { id, body } = await streaming();
    const reader = body.getReader();
    piece(id, 5);
    await reader.read();
    await reader.cancel();
    // workerd takes one more piece before it tells; of one who says nothing, the Worker's `cancelCall` does.
    const more = setInterval(() => piece(id, 5), 10);
    onTestFinished(() => clearInterval(more));
    expect(await peer.next('cancel')).toMatchObject({ id });
  });

  it('of a known length is told to the customer, and kept to', async () => {
    const answered = channelOf(vps).relay(call());
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'stream', length: 9 } });
    const body = streamOf(value(await answered).body);
    piece(id, 5);
    piece(id, 4, true);
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(9);
  });

  it('C2: whose caller says so is cancelled on the wire', async () => {
    const { id, body } = await streaming();
    await channelOf(vps).cancelCall(`r${count}`);
    expect(await peer.next('cancel')).toMatchObject({ id });
    await expect(body.getReader().read()).rejects.toThrow(BREAKS_OFF);
  });

  it('that nobody reads delays no other call', async () => {
    const stalled = await streaming();
    piece(stalled.id, STREAM_OPENING_BYTES);
    const other = await streaming({ requestId: 'other' });
    piece(other.id, 7, true);
    expect((await new Response(other.body).arrayBuffer()).byteLength).toBe(7);
    await stalled.body.cancel();
  });
});

describe('PROTOCOL: a body from the customer', () => {
  /** A customer's body of which the test sees when it is read, and when it is not wanted any more. */
  function upload(pieces: number, bytes: number) {
    let sent = 0;
    const cancelled = Promise.withResolvers<void>();
    const body = new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        if (sent++ < pieces) controller.enqueue(new Uint8Array(bytes).fill(2));
        else controller.close();
      },
      cancel: () => cancelled.resolve(),
    });
    return { body, cancelled: cancelled.promise };
  }

  it('C8: crosses as it is granted, of unknown length', async () => {
    const { body } = upload(4, 50_000);
    const answered = channelOf(vps).relay(call({ body }));
    const request = await peer.next('request');
    expect(request.body).toEqual({ kind: 'stream' });
    let received = 0;
    const receive = async (upTo: number) => {
      while (received < upTo) received += decodeChunk(await peer.nextChunk()).bytes.length;
    };
    await receive(STREAM_OPENING_BYTES);
    expect(received).toBe(STREAM_OPENING_BYTES);
    peer.send({ type: 'credit', id: request.id, bytes: 200_000 });
    await receive(200_000);
    expect(await peer.next('end')).toMatchObject({ id: request.id });
    peer.send({ type: 'response', id: request.id, status: 204, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(204);
  });

  it('is not read on when the answer is there before its end', async () => {
    const { body, cancelled } = upload(1_000_000, 50_000);
    const answered = channelOf(vps).relay(call({ body }));
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 413, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(413);
    await cancelled;
  });

  it('C2: that breaks off is cancelled on the wire', async () => {
    let pulls = 0;
    const body = new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(10));
        else controller.error(new Error('the customer has gone'));
      },
    });
    const answered = channelOf(vps).relay(call({ body }));
    const { id } = await peer.next('request');
    expect(await peer.next('cancel')).toMatchObject({ id });
    expect(await answered).toMatchObject({ ok: false, error: { code: 'bad_request' } });
  });
});
