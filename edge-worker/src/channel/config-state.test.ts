import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, entry, Peer, value } from './channel.fixture.ts';

const SITE = 'shop';
let count = 0;
let vps: string;
let seq: number;
beforeEach(async () => {
  vps = `state-${++count}`;
  seq = 0;
  value(await channelOf(vps).putSite(SITE, { paused: false, orgId: 'org-1' }));
});

const state = async () => value(await channelOf(vps).config(SITE));
const edit = async (base: number, config: object) =>
  value(
    await channelOf(vps).updateConfig({
      siteId: SITE,
      actor: 'ada',
      payload: { base, config: config as never },
    }),
  );

describe('a secret that a config names and that is not set', () => {
  const verify = { scheme: 'hmac-sha256', header: 'x-sig', encoding: 'hex', secretRef: 'hook' };
  const signed = { routes: [{ path: '/hooks/*', upstream: 'http://127.0.0.1:1', offline: 'queue', verify }] };

  it('is warned of in the answer to the edit and in the state, until it is set', async () => {
    const { warnings } = await edit(0, signed);
    expect(warnings).toEqual([
      'routes[0] (/hooks/*): the secret "hook" is not set, and until it is, requests are answered 503: clawctl secrets set shop hook',
    ]);
    expect((await state()).warnings).toEqual(warnings);
    value(await channelOf(vps).putSecret({ siteId: SITE, name: 'hook', value: 's', actor: 'ada' }));
    expect((await state()).warnings).toEqual([]);
    const more = { ...signed, worker: { vars: { A: '1' } } };
    expect((await edit(1, more)).warnings).toEqual([]);
    const customer = { requests: 1, periodS: 1, secretRef: 'visitor' };
    expect((await edit(2, { ...signed, limits: { customer } })).warnings).toEqual([
      expect.stringMatching(/^limits\.customer: the secret "visitor" is not set.*counts as one customer’s/),
    ]);
  });
});

describe('the variables of a deployed Worker', () => {
  const tell = async (peer: Peer, ...bodies: object[]) => {
    peer.send(...bodies.map((body) => entry(++seq, { at: 1, ...body })));
    await peer.next('ack');
  };
  const vars = (value: string) => ({ worker: { vars: { COLOUR: value } } });
  const running = (commandId: string) => ({ type: 'command_progress', commandId, milestone: 'running' });
  const done = (commandId: string, result: object) => ({
    ...{ type: 'command_result', commandId, state: 'succeeded', result },
  });
  const deployed = (versionId: string, proof = 'observed') => ({
    ...{ deploymentId: 'd', url: 'http://w', versionId, proof },
  });
  const deploy = async () => {
    const modules = { 'i.js': 'export default {}' };
    const payload = { name: 'tag', mainModule: 'i.js', modules, compatibilityDate: '2026-01-01' };
    return value(await channelOf(vps).deploy({ siteId: SITE, actor: 'ada', payload })).commandId;
  };
  const apply = async (peer: Peer, base: number, config: object) => {
    const { commandId } = await edit(base, config);
    const { generation, digest } = await state();
    await tell(peer, done(commandId, { generation, digest }));
  };
  const worker = async () => (await state()).applied.worker;

  it('are no matter while none is deployed', async () => {
    await edit(0, vars('red'));
    expect(await worker()).toBeUndefined();
  });

  it('wait for a deployment, and are applied when one that took them is seen', async () => {
    const peer = await Peer.connect(vps);
    await apply(peer, 0, vars('red'));
    const first = await deploy();
    await tell(peer, running(first), done(first, deployed('v1')));
    expect(await worker()).toMatchObject({ state: 'applied', generation: 1 });
    await apply(peer, 1, vars('blue'));
    expect(await worker()).toEqual({
      ...{ state: 'pending', generation: 1 },
      why: 'redeploy: tag carries the variables of generation 1',
    });
    const second = await deploy();
    await tell(peer, running(second));
    // It took those that ran when it began.
    await apply(peer, 2, vars('green'));
    await tell(peer, done(second, deployed('v2')));
    expect(await worker()).toMatchObject({ state: 'pending', generation: 2 });
    await apply(peer, 3, vars('blue'));
    expect(await worker()).toMatchObject({ state: 'applied', generation: 2 });
  });

  it('are not taken for applied when the deployment failed, was not seen, or another version runs', async () => {
    const peer = await Peer.connect(vps);
    await apply(peer, 0, vars('red'));
    const failed = await deploy();
    await tell(peer, running(failed), { type: 'command_result', commandId: failed, state: 'failed' });
    expect(await worker()).toBeUndefined();
    const unseen = await deploy();
    await tell(peer, running(unseen), done(unseen, deployed('v1', 'accepted')));
    expect(await worker()).toMatchObject({ state: 'pending', why: 'tag was not seen to answer with them' });
    const seen = await deploy();
    await tell(peer, running(seen), done(seen, deployed('v2')));
    peer.send({
      ...{ type: 'status', at: 1, version: '1', uptimeS: 1, sites: [] },
      ...{ memory: { rssBytes: 1, heapUsedBytes: 1 }, queues: { inbox: 0, outbox: 0, deadLetters: 0 } },
      workers: [{ name: 'tag', versionId: 'v0', state: 'deployed', at: 1 }],
      tunnel: { state: 'not_configured' },
    });
    await expect
      .poll(worker)
      .toMatchObject({ state: 'pending', why: expect.stringContaining('runs version v0') });
  });
});
