import { expect, it } from 'vitest';
import { channelOf, entry, Peer, value } from './channel.fixture.ts';

it('milestones of one command are bounded, and the last one kept says so', async () => {
  const vps = 'history-1';
  await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' });
  const payload = { base: 0, patch: {} };
  const { commandId } = value(await channelOf(vps).updateConfig({ siteId: 'shop', actor: 'op', payload }));
  const peer = await Peer.connect(vps);
  const progress = (n: number) => ({ type: 'command_progress', commandId, at: n, milestone: `step ${n}` });
  peer.send(...Array.from({ length: 210 }, (_, n) => entry(n + 1, progress(n))));
  await peer.next('ack');
  const { milestones } = value(await channelOf(vps).command(commandId));
  expect([milestones.length, milestones.at(-1)?.milestone]).toEqual([200, 'further milestones are not kept']);
});
