import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Entry, Hello, Positions } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, entry, Peer, stubOf, value } from './channel.fixture.ts';

let vps = '';
let count = 0;
beforeEach(() => {
  vps = `resync-${++count}`;
});

const bodies = (entries: readonly Entry[]) => entries.map(({ body }) => JSON.parse(body));
const deploy = async (n: number) => {
  const modules = { 'i.js': `export default ${n}` };
  const payload = { name: 'w', mainModule: 'i.js', modules, compatibilityDate: '2026-01-01' };
  return value(await channelOf(vps).deploy({ siteId: 'shop', actor: 'op', payload })).commandId;
};
const edit = async (base: number, siteId = 'shop') => {
  const payload = { base, patch: { worker: { vars: { N: `${base}` } } } };
  return value(await channelOf(vps).updateConfig({ siteId, actor: 'op', payload })).commandId;
};
const site = (id = 'shop') => channelOf(vps).putSite(id, { paused: false, orgId: 'org-1' });
const take = async (peer: Peer, n: number) => {
  const entries: Entry[] = [];
  while (entries.length < n) entries.push(await peer.next('entry'));
  return entries;
};
const done = (commandId: string) => ({ type: 'command_result', commandId, at: 1, state: 'succeeded' });

/** What the VPS's database says of itself, at any time of it. */
interface Copy {
  readonly own: Pick<Positions, 'logId' | 'continues' | 'last'>;
  readonly edgeLog?: string;
  readonly applied: number;
}
const helloFrom = ({ own, edgeLog, applied }: Copy, hello: Partial<Hello> = {}): Partial<Hello> => ({
  ...hello,
  logs: {
    control: { ...own, oldest: 1, applied, ...(edgeLog === undefined ? {} : { peerLogId: edgeLog }) },
  },
});
/** After `clawctl restore`: a new log that continues the one of the backup, and the next generation. */
const restored = (copy: Copy, sites: Hello['sites'] = []): Partial<Hello> => {
  const { logId, last } = copy.own;
  const own = { logId: `${logId}-again`, continues: { logId, seq: last }, last };
  return helloFrom({ ...copy, own }, { generation: 2, instanceId: 'process-b', sites });
};
const first = () => ({ logId: `log-of-${vps}`, last: 0 });

/** Connects a new VPS. @returns its socket, and the edge's log that it follows */
async function begin(): Promise<{ peer: Peer; edgeLog: string }> {
  const peer = await Peer.greet(vps, helloFrom({ own: first(), applied: 0 }));
  const { logs } = await peer.next('welcome');
  return { peer, edgeLog: logs.control.logId };
}
/** Commits entries 1 to `applied` of the edge's. */
async function acknowledge(peer: Peer, applied: number): Promise<void> {
  peer.send({ type: 'ack', log: 'control', applied });
  await expect.poll(async () => (await channelOf(vps).describe()).queues.control).toBe(0);
}
async function leave(peer: Peer): Promise<void> {
  peer.close(1001, 'stopped');
  await expect.poll(async () => (await channelOf(vps).describe()).presence.state).toBe('away');
}

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

describe('an object that was restored', () => {
  it('L5: goes on under another name behind what the VPS has, and says what it continues', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const commandId = await deploy(1);
    await take(peer, 1);
    await acknowledge(peer, 1);
    await leave(peer);
    const ahead = { own: first(), edgeLog, applied: 7 };
    const again = await Peer.greet(vps, helloFrom(ahead));
    const { control } = (await again.next('welcome')).logs;
    expect(control).toMatchObject({ continues: { logId: edgeLog, seq: 1 }, last: 1 });
    expect(control.logId).not.toBe(edgeLog);
    await again.next('resync');
    // Its welcome was lost: it still names the log of before.
    const unheard = await Peer.greet(vps, helloFrom(ahead));
    expect((await unheard.next('welcome')).logs.control.logId).toBe(control.logId);
    await deploy(2);
    expect(await unheard.next('entry')).toMatchObject({ seq: 2 });
    expect(value(await channelOf(vps).command(commandId)).state).toBe('delivered');
  });

  it('L5: goes on behind what was offered, not behind what was written since it was restored', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    await deploy(1);
    await take(peer, 1);
    await leave(peer);
    for (const n of [2, 3]) await deploy(n);
    // It has had another entry under position 2, which this copy has lost.
    const again = await Peer.greet(vps, helloFrom({ own: first(), edgeLog, applied: 2 }));
    const { control } = (await again.next('welcome')).logs;
    expect(control.continues).toEqual({ logId: edgeLog, seq: 1 });
    expect((await take(again, 2)).map(({ seq }) => seq)).toEqual([2, 3]);
  });

  it('L11: puts its desired config above a later one that runs, so that the next edit is taken', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    await edit(0);
    const [entry] = bodies(await take(peer, 1));
    await acknowledge(peer, 1);
    await leave(peer);
    const sites = [{ siteId: 'shop', generation: 5, digest: 'f'.repeat(64) }];
    const again = await Peer.greet(vps, helloFrom({ own: first(), edgeLog, applied: 9 }, { sites }));
    expect(bodies(await take(again, 1))).toMatchObject([
      { type: 'update_config', generation: 6, digest: entry.digest, config: entry.config },
    ]);
    await edit(6);
    expect(bodies(await take(again, 1))).toMatchObject([{ generation: 7 }]);
  });

  it('tells D1 anew of its commands, over what that shows of the time that is lost', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const id = await deploy(1);
    await take(peer, 1);
    await leave(peer);
    const shown = () => env.DB.prepare('SELECT state FROM orc_commands WHERE id = ?').bind(id).first('state');
    await expect.poll(shown).toBe('queued');
    await env.DB.prepare(`UPDATE orc_commands SET state = 'running', version = 7 WHERE id = ?`)
      .bind(id)
      .run();
    await Peer.connect(vps, helloFrom({ own: first(), edgeLog, applied: 9 }));
    await expect.poll(shown).toBe('delivered');
  });

  it('L11: offers what was not acknowledged to a VPS that follows a log which is not here any more', async () => {
    await site();
    const { peer, edgeLog } = await begin();
    const done = await deploy(1);
    await take(peer, 1);
    await acknowledge(peer, 1);
    const open = await deploy(2);
    await take(peer, 1);
    await leave(peer);
    const again = await Peer.greet(
      vps,
      helloFrom({ own: first(), edgeLog: 'log-of-a-later-copy', applied: 9 }),
    );
    const { control } = (await again.next('welcome')).logs;
    expect(control).toMatchObject({ continues: { logId: edgeLog, seq: 2 }, oldest: 2 });
    expect(bodies(await take(again, 1))).toMatchObject([{ commandId: open }]);
    expect(value(await channelOf(vps).command(done)).state).toBe('delivered');
    expect(value(await channelOf(vps).command(open)).state).toBe('queued');
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

it('L11: a VPS whose database is new is offered the same each time that it dials, until it acknowledges', async () => {
  await site();
  const { peer } = await begin();
  const edited = await edit(0);
  const deployed = await deploy(1);
  await take(peer, 2);
  await acknowledge(peer, 2);
  peer.send(entry(1, done(edited)));
  await peer.next('ack');
  await leave(peer);
  await env.DB.prepare(`INSERT INTO agencies (id, name) VALUES ('org-1', 'A')`).run();
  await channelOf(vps).release();

  const own = { logId: `log-new-of-${vps}`, last: 0 };
  const hello = helloFrom({ own, applied: 0 }, { generation: 2, instanceId: 'process-b' });
  const dialled = async () => {
    const again = await Peer.greet(vps, hello);
    await again.next('welcome');
    return { again, offered: await take(again, 3) };
  };
  const first = await dialled();
  expect(bodies(first.offered)).toMatchObject([
    { type: 'update_config', generation: 1 },
    { type: 'deploy_worker', commandId: deployed, again: true },
    { type: 'row_changed', key: 'org-1' },
  ]);
  await leave(first.again);
  const second = await dialled();
  expect(second.offered).toEqual(first.offered);
  await edit(1);
  expect(bodies(await take(second.again, 1))).toMatchObject([{ type: 'update_config', generation: 2 }]);
  expect((await channelOf(vps).describe()).queues.control).toBe(4);
});

const pending = () =>
  inObject(`SELECT value FROM meta WHERE key = 'resync_pending'`).then(([row]) => row?.['value']);
const inObject = (statement: string) =>
  runInDurableObject(stubOf(vps), (_object, { storage }) => storage.sql.exec(statement).toArray());
