import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { type EntryToEdge, type FrameToEdge, orchestratorCodec } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import { createCipher } from '../cipher.ts';
import { listEvents } from '../data/events.ts';
import { channelOf, helloOf, Peer, stubOf } from './channel.fixture.ts';
import { breakable, eventAt } from './object.fixture.ts';
import { openParts } from './parts.ts';

let count = 0;
async function connected() {
  const orchestratorId = `wire-${++count}`;
  const orgId = `org-of-${orchestratorId}`;
  await channelOf(orchestratorId).putSite('shop', { paused: false, orgId });
  const peer = await Peer.connect(orchestratorId);
  await channelOf(orchestratorId).putSite('shop', { paused: false, orgId });
  const entry = (seq: number, siteId = 'shop'): FrameToEdge => {
    const { id, event } = eventAt({ orchestratorId }, seq);
    const body: EntryToEdge = { type: 'sync_event', id, event: { ...event, siteId } };
    return { type: 'entry', log: 'control', seq, at: 1, body: orchestratorCodec.encodeEntry(body) };
  };
  const projected = async (seq: number) => {
    for (;;) {
      const ack = await peer.next('ack');
      if (ack.projected !== undefined) expect(ack.projected).toBeLessThanOrEqual(ack.applied);
      if (ack.projected === seq) return;
    }
  };
  const inD1 = async () => (await listEvents(env.DB, orgId, { order: 'asc', limit: 500 })).items;
  return { orchestratorId, peer, entry, projected, inD1 };
}

describe('events of an orchestrator', () => {
  it('L3: are acknowledged, and once more when D1 has them', async () => {
    const { orchestratorId, peer, entry, projected, inD1 } = await connected();
    peer.send(entry(1), entry(2), entry(3));
    expect(await peer.next('ack')).toEqual({ type: 'ack', log: 'control', applied: 3 });
    await projected(3);
    expect((await inD1()).map(({ data }) => data['seq'])).toEqual([1, 2, 3]);
    expect((await channelOf(orchestratorId).describe()).queues.unprojected).toBe(0);
  });

  it('L3: how far D1 is, is said in welcome, too', async () => {
    const { orchestratorId, peer, entry, projected } = await connected();
    peer.send(entry(1));
    await projected(1);
    const again = await Peer.dial(orchestratorId);
    if (again instanceof Response) throw new Error(`refused: ${again.status}`);
    const { control } = helloOf(orchestratorId).logs;
    again.send({ ...helloOf(orchestratorId), logs: { control: { ...control, last: 1 } } });
    expect((await again.next('welcome')).logs.control).toMatchObject({ applied: 1, projected: 1 });
  });

  it('of a foreign site are dead letters, and hold none of the others up', async () => {
    const { orchestratorId, peer, entry, projected, inD1 } = await connected();
    peer.send(entry(1), entry(2, 'not-ours'), entry(3));
    await projected(3);
    expect((await inD1()).map(({ data }) => data['seq'])).toEqual([1, 3]);
    expect((await channelOf(orchestratorId).describe()).queues.deadLetters).toBe(1);
  });

  it('are taken while D1 fails, and go there by the alarm', async () => {
    const orchestratorId = 'wire-lonely';
    const orgId = `org-of-${orchestratorId}`;
    const listed = async () => (await listEvents(env.DB, orgId, { order: 'asc', limit: 9 })).items.length;
    const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    await runInDurableObject(stubOf(orchestratorId), async (_object, ctx) => {
      const db = breakable(env.DB);
      db.broken = true;
      const parts = openParts({
        ctx,
        db,
        cipher: createCipher(env.SECRETS_KEY),
        sessions: () => [],
        peer: () => expect.unreachable('it has one lane'),
        publish: async () => undefined,
      });
      parts.meta.set('org', orgId);
      parts.configs.put('shop', false);
      parts.events.insertAll([eventAt({ orchestratorId }, 1), eventAt({ orchestratorId }, 2)]);
      parts.chores.projection.start();
      await expect.poll(() => ctx.storage.getAlarm()).toBeGreaterThan(0);
      expect([parts.state.queues.unprojected, await listed()]).toEqual([2, 0]);
    });
    // The object that the alarm wakes knows what was kept, and nothing else.
    await evictDurableObject(stubOf(orchestratorId));
    await expect.poll(listed, { timeout: 4_000 }).toBe(2);
    told.mockRestore();
  });
});
