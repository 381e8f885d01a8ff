import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { channelOf, entry, Peer } from './channel.fixture.ts';
import { acknowledge, begin, bodies, deploy, done, edit, helloFrom, leave, take } from './resync.fixture.ts';
import { ownVps, site, vps } from './shop.fixture.ts';

ownVps('new');

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
