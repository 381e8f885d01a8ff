import { runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, entry, errorOf, Peer, stubOf, value } from './channel.fixture.ts';

let vps = '';
let count = 0;
beforeEach(() => {
  vps = `letters-${++count}`;
});

describe('dead letters', () => {
  const page = async (limit = 10, after?: string) => value(await channelOf(vps).deadLetters(limit, after));
  const edgeLog = async (peer: Peer) => (await peer.next('welcome')).logs.control.logId;
  const report = (logId: string, seq: number, state: 'dead' | 'handled' | 'dropped' = 'dead') => ({
    type: 'dead_letter',
    log: 'control',
    logId,
    seq,
    at: 5,
    state,
    attempts: 5,
    error: 'no disk',
  });

  it('of this side and of the VPS are one list, in pages, and can be looked at', async () => {
    await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' });
    value(
      await channelOf(vps).updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 0, patch: {} } }),
    );
    const peer = await Peer.greet(vps);
    const logId = await edgeLog(peer);
    peer.send(
      entry(1, { type: 'strange' }),
      entry(2, report(logId, 1)),
      entry(3, report('log-forgotten', 7)),
    );
    await peer.next('ack');
    const first = await page(2);
    expect(first.items).toMatchObject([
      {
        id: `dl_${vps}_edge_control_log-of-${vps}_1`,
        side: 'edge',
        seq: 1,
        state: 'dead',
        entryType: 'strange',
      },
      {
        id: `dl_${vps}_orchestrator_control_${logId}_1`,
        side: 'orchestrator',
        error: 'no disk',
        entryType: 'update_config',
      },
    ]);
    const second = await page(2, first.next ?? '');
    expect(second).toMatchObject({ items: [{ seq: 7 }], next: null });
    expect((await channelOf(vps).describe()).queues.deadLetters).toBe(3);
    const [own, remote] = first.items;
    expect(value(await channelOf(vps).deadLetter(own?.id ?? ''))).toMatchObject({
      body: '{"type":"strange"}',
    });
    expect(value(await channelOf(vps).deadLetter(remote?.id ?? '')).body).toContain('"generation":1');
    expect(errorOf(await channelOf(vps).deadLetter(`dl_${vps}_edge_control_log-forgotten_9`)).code).toBe(
      'not_found',
    );
  });

  it('of this side are replayed and dropped here', async () => {
    const peer = await Peer.connect(vps);
    peer.send(entry(1, { type: 'strange' }), entry(2, { type: 'strange' }));
    await peer.next('ack');
    const [one, two] = (await page()).items.map(({ id }) => id);
    expect(value(await channelOf(vps).replayDeadLetter(one ?? '', 'op')).state).toBe('replaying');
    expect(value(await channelOf(vps).dropDeadLetter(two ?? '', 'op')).state).toBe('dropping');
    // It cannot be read this time either.
    expect((await page()).items).toMatchObject([{ id: one, state: 'dead' }]);
    expect(errorOf(await channelOf(vps).dropDeadLetter(two ?? '', 'op')).code).toBe('not_found');
  });

  it('of the VPS are asked for once while that is on its way, and are gone when it says so', async () => {
    const peer = await Peer.greet(vps);
    const logId = await edgeLog(peer);
    peer.send(entry(1, report(logId, 3)), entry(2, report(logId, 4)));
    await peer.next('ack');
    const [one, two] = (await page()).items.map(({ id }) => id);
    for (const _ of [1, 2])
      expect(value(await channelOf(vps).replayDeadLetter(one ?? '', 'op')).state).toBe('replaying');
    await channelOf(vps).dropDeadLetter(two ?? '', 'op');
    const asked = [await peer.next('entry'), await peer.next('entry')].map(({ body }) => JSON.parse(body));
    expect(asked).toMatchObject([
      { type: 'dead_letter_action', log: 'control', logId, seq: 3, action: 'replay', actor: 'op' },
      { seq: 4, action: 'drop' },
    ]);
    peer.send(entry(3, report(logId, 3)), entry(4, report(logId, 4, 'dropped')));
    await peer.next('ack');
    expect((await page()).items).toMatchObject([{ id: one, state: 'dead' }]);
    peer.send({ type: 'ack', log: 'control', applied: 2 });
    await expect.poll(async () => (await channelOf(vps).describe()).queues.control).toBe(0);
    await channelOf(vps).replayDeadLetter(one ?? '', 'op');
    expect(await peer.next('entry')).toMatchObject({ seq: 3 });
  });

  it('of the VPS are kept up to a bound, and what is forgotten is counted', async () => {
    const peer = await Peer.greet(vps);
    const logId = await edgeLog(peer);
    await runInDurableObject(stubOf(vps), (_object, { storage }) =>
      storage.sql.exec(`INSERT INTO dead_letters (n, log, log_id, seq, at, attempts, error, state)
        VALUES (1, 'control', 'log-first', 1, 1, 1, '', 'dead'), (10000, 'control', 'log-first', 2, 1, 1, '', 'dead')`),
    );
    peer.send(entry(1, report(logId, 3)));
    await peer.next('ack');
    expect((await page()).items.map(({ seq }) => seq)).toEqual([2, 3]);
    const [forgotten] = await runInDurableObject(stubOf(vps), (_object, { storage }) =>
      storage.sql.exec(`SELECT value FROM meta WHERE key = 'letters_forgotten'`).toArray(),
    );
    expect(forgotten).toEqual({ value: 1 });
  });
});
