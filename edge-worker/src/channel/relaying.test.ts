import { decodeChunk, encodeChunk } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { channelOf, errorOf, Peer, value } from './channel.fixture.ts';
import { get, ownVps, routed, site, vps } from './shop.fixture.ts';

ownVps('relaying');

describe('calls', () => {
  it('a request crosses and its answer comes back', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay({
      ...get(),
      method: 'POST',
      body: new TextEncoder().encode('lead'),
    });
    const request = await peer.next('request');
    expect(request).toMatchObject({ method: 'POST', url: '/a?b=1', body: { kind: 'text', data: 'lead' } });
    peer.send({
      type: 'response',
      id: request.id,
      status: 201,
      headers: [
        ['x', '1'],
        ['x', '2'],
      ],
      body: { kind: 'text', data: 'ok' },
    });
    const reply = value(await answered);
    expect(reply).toMatchObject({
      status: 201,
      headers: [
        ['x', '1'],
        ['x', '2'],
      ],
    });
    expect(await new Response(reply.body).text()).toBe('ok');
  });

  it('C6: bodies above 16 KiB cross as binary messages, both ways', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const sent = new Uint8Array(100_000).fill(7);
    const answered = channelOf(vps).relay({ ...get(), method: 'PUT', body: sent });
    const { id, body } = await peer.next('request');
    expect(body).toEqual({ kind: 'stream', length: 100_000 });
    peer.send({ type: 'credit', id, bytes: 100_000 });
    let received = 0;
    while (received < 100_000) received += decodeChunk(await peer.nextChunk()).bytes.length;
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'stream' } });
    for (const last of [0, 1])
      peer.sendRaw(encodeChunk({ id, last: last === 1, bytes: new Uint8Array(30_000) }));
    const reply = value(await answered);
    expect((await new Response(reply.body).arrayBuffer()).byteLength).toBe(60_000);
  });

  it('away: a call fails at once, not started, with a time to come back', async () => {
    await routed();
    expect(errorOf(await channelOf(vps).relay(get()))).toMatchObject({
      code: 'orchestrator_away',
      execution: 'not_started',
      retryAfterMs: expect.any(Number),
    });
  });

  it('C2: a call whose socket is lost may have been executed', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay(get());
    await peer.next('request');
    peer.close(1001, 'stopping');
    expect(errorOf(await answered)).toMatchObject({
      code: 'orchestrator_lost',
      execution: 'may_have_executed',
    });
    expect((await channelOf(vps).describe()).presence).toMatchObject({ state: 'away', reason: 'stopping' });
  });

  it('S9: a silent socket with an open call is probed and given up', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const began = Date.now();
    const answered = channelOf(vps).relay(get());
    await peer.next('probe');
    expect(errorOf(await answered)).toMatchObject({ code: 'orchestrator_lost' });
    expect(Date.now() - began).toBeLessThan(4_500);
    expect(await peer.closed()).toMatchObject({ code: 4504 });
  });

  it('C4: a call that nobody waits for is cancelled on the wire, and its late answer ignored', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const call = get();
    const answered = channelOf(vps).relay(call);
    const { id } = await peer.next('request');
    await channelOf(vps).cancelCall(call.requestId);
    expect(await peer.next('cancel')).toMatchObject({ id });
    expect(errorOf(await answered).code).toBe('deadline_exceeded');
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    const second = channelOf(vps).relay(get());
    const request = await peer.next('request');
    peer.send({ type: 'response', id: request.id, status: 204, headers: [], body: { kind: 'none' } });
    expect(value(await second).status).toBe(204);
  });

  it('S10: a draining socket gets nothing new, and may finish what is open', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const open = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'drain', reason: 'restarting' });
    await expect.poll(async () => (await channelOf(vps).describe()).presence.state).toBe('draining');
    expect(errorOf(await channelOf(vps).relay(get())).code).toBe('orchestrator_away');
    const successor = await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    expect(value(await open).status).toBe(200);
    const next = channelOf(vps).relay(get());
    expect((await successor.next('request')).url).toBe('/a?b=1');
    successor.close(1000, 'done');
    await next;
  });

  it('a paused site is 503, an unknown one 404; which route takes a request the orchestrator says', async () => {
    await site();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 404, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(404);
    expect(errorOf(await channelOf(vps).relay({ ...get(), siteId: 'unknown' })).code).toBe('not_found');
    value(await channelOf(vps).putSite('shop', { paused: true, orgId: 'org-1' }));
    expect(errorOf(await channelOf(vps).relay(get())).code).toBe('site_paused');
  });
});
