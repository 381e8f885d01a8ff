import { evictDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { channelOf, entry, Peer, stubOf, value } from './channel.fixture.ts';
import { deployment, get, ownVps, routed, site, vps } from './shop.fixture.ts';

ownVps('hibernation');

describe('hibernation', () => {
  it('the socket stays, and the session comes back from its attachment and SQLite', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    peer.send({ type: 'ack', log: 'control', applied: 1 });
    await expect.poll(async () => (await channelOf(vps).describe()).queues.control).toBe(0);
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    const answered = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(200);
    expect(await channelOf(vps).describe()).toMatchObject({
      fence: 1,
      presence: { state: 'online' },
      queues: { control: 0 },
    });
  });

  it('a message to a hibernated object wakes it once, and is handled', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    const before = (await channelOf(vps).describe()).wakes;
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    peer.send(entry(1, { type: 'command_result', commandId, at: 1, state: 'succeeded' }));
    expect(await peer.next('ack')).toMatchObject({ applied: 1 });
    expect((await channelOf(vps).describe()).wakes).toBe(before + 1);
  });

  it('S8: a heartbeat is answered and wakes nothing', async () => {
    const peer = await Peer.connect(vps);
    const before = (await channelOf(vps).describe()).wakes;
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    await peer.beat();
    expect((await channelOf(vps).describe()).wakes).toBe(before);
  });

  it('an object that finds its sockets gone says away', async () => {
    await Peer.connect(vps);
    await evictDurableObject(stubOf(vps), { webSockets: 'close' });
    expect((await channelOf(vps).describe()).presence).toMatchObject({ state: 'away' });
  });
});
