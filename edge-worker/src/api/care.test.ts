import type { OrchestratorResponse } from '@clawdbot/protocol';
import { beforeEach, expect, it } from 'vitest';
import { channelOf, helloOf, Peer } from '../channel/channel.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let [one, two, ours, theirs] = ['', '', '', ''];
beforeEach(async () => {
  [one, two, ours, theirs] = [fresh('vps'), fresh('vps'), fresh('ours'), fresh('theirs')];
  tenant = await Tenant.create(one, two);
  for (const [id, orchestratorId] of [
    [ours, one],
    [theirs, two],
  ])
    await tenant.call('POST', '/sites', { body: { id, orchestratorId } });
});

/** The other orchestrator tells that it has a Worker called "tag". */
async function told(): Promise<void> {
  const peer = await Peer.connect(two, helloOf(two));
  peer.send({
    ...{ type: 'status', at: 1, version: '1', uptimeS: 1, sites: [] },
    ...{ memory: { rssBytes: 1, heapUsedBytes: 1 }, queues: { inbox: 0, outbox: 0, deadLetters: 0 } },
    workers: [{ name: 'tag', siteId: theirs, versionId: 'v', state: 'deployed', at: 1 }],
    tunnel: { state: 'not_configured' },
  });
  await expect.poll(async () => (await channelOf(two).describe()).status?.workers.length).toBe(1);
  peer.close(1000, '');
}

async function adopt(name: string): Promise<[number, string | undefined]> {
  const body = { action: 'adopt_worker', siteId: ours, payload: { name } };
  const response = await tenant.call('POST', '/orchestrator', { body });
  return [response.status, (await response.json<OrchestratorResponse>()).error];
}

it('a Worker that another orchestrator looks after is not taken over, and who has it is said', async () => {
  await told();
  const why = expect.stringContaining(`the Worker tag is the site ${theirs}'s, on ${two}`);
  expect(await adopt('tag')).toEqual([409, why]);
  expect(await adopt('another')).toEqual([202, undefined]);
});

it('one of a site that is not there any more is: its orchestrator may be gone, and not know it', async () => {
  await told();
  await tenant.call('DELETE', `/sites/${theirs}?force=true`);
  expect(await adopt('tag')).toEqual([202, undefined]);
});
