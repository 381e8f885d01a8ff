import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { channelOf, Peer, value } from './channel.fixture.ts';
import { acknowledge, begin, bodies, deploy, edit, first, helloFrom, leave, take } from './resync.fixture.ts';
import { ownVps, site, vps } from './shop.fixture.ts';

ownVps('object');

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
