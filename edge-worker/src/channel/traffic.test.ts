import { runInDurableObject } from 'cloudflare:test';
import { BATCHES_IN_FLIGHT_MAX, type Hello, type LogName } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, entry, helloOf, Peer, stubOf, value } from './channel.fixture.ts';
import { openLogs } from './logs.ts';
import { objectSql } from './store.ts';

let vps = '';
let count = 0;
beforeEach(() => {
  vps = `traffic-${++count}`;
});

const both = (): Pick<Hello, 'logs'> => {
  const { control } = helloOf(vps).logs;
  return { logs: { control, queue: { ...control, logId: `queue-of-${vps}` } } };
};
/** Writes entries as a producer does. */
const append = (log: LogName, n: number, body = '{}') =>
  runInDurableObject(stubOf(vps), (_object, { storage }) => {
    const logs = openLogs({ sql: objectSql(storage), now: Date.now, newLogId: () => 'not-asked' });
    logs[log].outbox.appendAll(Array.from({ length: n }, () => body));
  });
const depths = async () => {
  const { control, queue } = (await channelOf(vps).describe()).queues;
  return { control, queue };
};

describe('two logs over one socket', () => {
  it('L5: each is resumed and acknowledged by itself', async () => {
    await append('queue', 2);
    const peer = await Peer.greet(vps, both());
    const { logs } = await peer.next('welcome');
    expect(logs.queue).toMatchObject({ last: 2, peerLogId: `queue-of-${vps}`, applied: 0 });
    expect([await peer.next('entry'), await peer.next('entry')]).toMatchObject([
      { log: 'queue', seq: 1 },
      { log: 'queue', seq: 2 },
    ]);
    peer.send({ type: 'ack', log: 'queue', applied: 2 });
    await expect.poll(depths).toEqual({ control: 0, queue: 0 });
  });

  it('L13: control goes before queue when both wait, and a backlog of one never keeps the other back', async () => {
    await append('queue', BATCHES_IN_FLIGHT_MAX * 500 + 1);
    await append('control', 1);
    const peer = await Peer.greet(vps, both());
    await peer.next('welcome');
    expect(await peer.next('entry')).toMatchObject({ log: 'control', seq: 1 });
    // The queue's window is full and nothing of it is acknowledged.
    await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' });
    value(
      await channelOf(vps).updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 0, patch: {} } }),
    );
    for (let frame = await peer.next('entry'); frame.log !== 'control'; ) frame = await peer.next('entry');
    expect(await depths()).toEqual({ control: 2, queue: BATCHES_IN_FLIGHT_MAX * 500 + 1 });
  });

  it('entries of both in one message are committed and acknowledged each in its log', async () => {
    const peer = await Peer.greet(vps, both());
    await peer.next('welcome');
    peer.send(entry(1, {}, 'queue'), entry(1, {}), entry(2, {}, 'queue'));
    expect([await peer.next('ack'), await peer.next('ack')]).toMatchObject([
      { log: 'control', applied: 1 },
      { log: 'queue', applied: 2 },
    ]);
  });

  it('L13: who offers no queue gets none of it, and may not write to it', async () => {
    await append('queue', 1);
    const peer = await Peer.greet(vps);
    expect((await peer.next('welcome')).logs.queue).toBe(undefined);
    await append('control', 1);
    await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' });
    value(
      await channelOf(vps).updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 0, patch: {} } }),
    );
    expect([await peer.next('entry'), await peer.next('entry')]).toMatchObject([
      { log: 'control' },
      { log: 'control' },
    ]);
    peer.send(entry(1, {}, 'queue'));
    expect(await peer.closed()).toMatchObject({ code: 4400, reason: expect.stringContaining('queue') });
  });
});
