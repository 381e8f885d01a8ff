import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { channelOf, entry, Peer, stubOf, value } from './channel.fixture.ts';
import {
  acknowledge,
  begin,
  bodies,
  deploy,
  done,
  edit,
  first,
  helloFrom,
  leave,
  restored,
  take,
} from './resync.fixture.ts';
import { ownVps, site, vps } from './shop.fixture.ts';

ownVps('resync');

describe('a VPS whose database was restored', () => {
  it('L11: gets what is behind its position again, but nothing that has ended', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const [ended, open] = [await deploy(1), await deploy(2)];
    await take(peer, 2);
    await acknowledge(peer, 2);
    peer.send(entry(1, done(ended)));
    await peer.next('ack');
    await leave(peer);

    const again = await Peer.greet(vps, restored({ own: first(), edgeLog, applied: 0 }));
    expect((await again.next('welcome')).logs.control).toMatchObject({
      logId: edgeLog,
      oldest: 1,
      applied: 0,
    });
    expect(await again.next('resync')).toMatchObject({
      reason: expect.stringContaining('restored'),
      finished: [ended],
      unrecoverable: [],
      last: true,
    });
    expect(bodies(await take(again, 2))).toEqual([
      { type: 'withdrawn', commandId: ended },
      expect.objectContaining({ type: 'deploy_worker', commandId: open, again: true }),
    ]);
  });

  it('L11: of a command that it had before the backup it is told that it has ended', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const ended = await deploy(1);
    await take(peer, 1);
    await acknowledge(peer, 1);
    peer.send(entry(1, done(ended)));
    await peer.next('ack');
    await leave(peer);
    // Its entries are level with the edge's, and the result was lost with the newer database.
    const again = await Peer.greet(vps, restored({ own: first(), edgeLog, applied: 1 }));
    await again.next('welcome');
    expect(await again.next('resync')).toMatchObject({ finished: [ended], last: true });
  });

  it('L11: gets the desired config anew where another one runs, once, and behind a removal that is repeated', async () => {
    for (const id of ['shop', 'same', 'removed']) await site(id);
    const { peer, edgeLog } = await begin();
    const edits = [await edit(0), await edit(0, 'same'), await edit(0, 'removed')];
    const [, same, removed] = bodies(await take(peer, 3));
    await channelOf(vps).removeSite('removed');
    await site('removed');
    edits.push(await edit(0, 'removed'));
    await take(peer, 2);
    await acknowledge(peer, 5);
    peer.send(...edits.map((id, n) => entry(n + 1, done(id))));
    await expect
      .poll(async () => value(await channelOf(vps).command(edits[3] ?? '')).state)
      .toBe('succeeded');
    await leave(peer);

    const sites = [
      { siteId: 'same', generation: 1, digest: same.digest },
      { siteId: 'removed', generation: 1, digest: removed.digest },
    ];
    const again = await Peer.greet(vps, restored({ own: first(), edgeLog, applied: 3 }, sites));
    const offered = bodies(await take(again, 4));
    expect(offered.slice(0, 2)).toEqual([
      { type: 'remove_site', siteId: 'removed' },
      { type: 'withdrawn', commandId: edits[3] },
    ]);
    expect(
      offered
        .slice(2)
        .map(({ type, siteId }) => [type, siteId])
        .sort(),
    ).toEqual([
      ['update_config', 'removed'],
      ['update_config', 'shop'],
    ]);
    expect((await channelOf(vps).describe()).queues.control).toBe(4);
  });

  it('L11: gets the desired config also when it has all entries: an edit among them has ended', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const edited = await edit(0);
    await take(peer, 1);
    await acknowledge(peer, 1);
    peer.send(entry(1, done(edited)));
    await peer.next('ack');
    await leave(peer);

    const copy = restored({ own: first(), edgeLog, applied: 1 });
    const again = await Peer.greet(vps, { ...copy, awaitsResync: true });
    expect(await again.next('resync')).toMatchObject({ finished: [edited] });
    expect(bodies(await take(again, 1))).toMatchObject([
      { type: 'update_config', siteId: 'shop', generation: 1 },
    ]);
  });

  it('L11: is told the same in each session until it has handled it, and then no more', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    await deploy(1);
    await take(peer, 1);
    await acknowledge(peer, 1);
    await leave(peer);
    const hello = restored({ own: first(), edgeLog, applied: 1 });
    const lost = await Peer.greet(vps, hello);
    await lost.next('resync');
    const heard = await Peer.greet(vps, hello);
    await heard.next('resync');
    heard.send(await heard.next('probe'));
    await expect.poll(async () => pending(), { timeout: 5_000 }).toBe(null);
    const after = await Peer.connect(vps, hello);
    await deploy(2);
    // Frames keep their order: the entry is the first thing behind welcome.
    expect((await after.frame()).type).toBe('entry');
  });

  it('L11: is told what has ended when it asks, also by an edge to which all is new', async () => {
    const unknown = helloFrom({ own: first(), applied: 0 });
    const peer = await Peer.greet(vps, { ...unknown, awaitsResync: true });
    expect(await peer.next('resync')).toMatchObject({ finished: [], last: true });
  });

  it('L12: entries that are no longer kept are named, and what was open in them is ended', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const open = await deploy(1);
    await deploy(2);
    await take(peer, 2);
    await acknowledge(peer, 2);
    await leave(peer);
    await inObject(`DELETE FROM log_outbox WHERE log = 'control' AND seq = 1`);
    const again = await Peer.greet(vps, restored({ own: first(), edgeLog, applied: 0 }));
    expect((await again.next('welcome')).logs.control.oldest).toBe(2);
    expect(await again.next('resync')).toMatchObject({ unrecoverable: [{ log: 'control', from: 1, to: 1 }] });
    expect(await again.next('entry')).toMatchObject({ seq: 2 });
    expect(value(await channelOf(vps).command(open)).state).toBe('cancelled');
    expect((await channelOf(vps).describe()).lastResync).toMatchObject({
      at: expect.any(Number),
      reason: expect.stringContaining('restored'),
      unrecoverable: 1,
    });
  });

  it('L5: its log goes on where it parts from the one before, and that one never comes back (S7)', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const [one, two] = [await deploy(1), await deploy(2)];
    const progress = (commandId: string, milestone: string) => ({
      type: 'command_progress',
      commandId,
      at: 5,
      milestone,
    });
    peer.send(entry(1, progress(one, 'uploaded')), entry(2, progress(two, 'lost with the database')));
    await peer.next('ack');
    await leave(peer);
    const backup = { own: { ...first(), last: 1 }, edgeLog, applied: 0 };
    const again = await Peer.greet(vps, restored(backup));
    expect((await again.next('welcome')).logs.control.applied).toBe(1);
    again.send(entry(2, progress(one, 'uploaded')), entry(3, progress(two, 'new')));
    expect(await again.next('ack')).toMatchObject({ applied: 3 });
    // Repeated with its time, it is the same milestone.
    expect(value(await channelOf(vps).command(one)).milestones).toHaveLength(1);
    const old = await Peer.greet(
      vps,
      helloFrom({ ...backup, own: { ...first(), last: 9 } }, { generation: 3 }),
    );
    expect(await old.closed()).toMatchObject({ code: 4411 });
  });
});

it('an acknowledgement that was lost with its socket is made up by the next hello', async () => {
  await site();
  const { peer, edgeLog } = await begin();
  const commandId = await deploy(1);
  await take(peer, 1);
  await leave(peer);
  const again = await Peer.connect(vps, helloFrom({ own: first(), edgeLog, applied: 1 }));
  expect(value(await channelOf(vps).command(commandId)).state).toBe('delivered');
  again.close(1000, '');
});

const pending = () =>
  inObject(`SELECT value FROM meta WHERE key = 'resync_pending'`).then(([row]) => row?.['value']);

const inObject = (statement: string) =>
  runInDurableObject(stubOf(vps), (_object, { storage }) => storage.sql.exec(statement).toArray());
