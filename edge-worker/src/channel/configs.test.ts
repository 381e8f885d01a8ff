import { describe, expect, it } from 'vitest';
import { channelOf, errorOf, Peer, value } from './channel.fixture.ts';
import { deployment, ownVps, routed, site, vps } from './shop.fixture.ts';

ownVps('configs');

describe('config', () => {
  const edit = (base: number, patch: unknown) => ({
    siteId: 'shop',
    actor: 'op',
    payload: { base, patch: patch as never },
  });

  it('an edit on a stale base is refused, and changes nothing', async () => {
    await site();
    value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    expect(errorOf(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '2' } } }))).code).toBe(
      'stale_base',
    );
    expect(value(await channelOf(vps).config('shop'))).toMatchObject({
      generation: 1,
      config: { worker: { vars: { A: '1' } } },
    });
  });

  it('an edit that makes no valid config names the path', async () => {
    await site();
    const error = errorOf(
      await channelOf(vps).updateConfig(edit(0, { routes: [{ path: 'x', upstream: 'http://a' }] })),
    );
    expect(error).toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('payload.config.routes[0].path'),
    });
  });

  it('a newer generation supersedes one that never left', async () => {
    await site();
    const first = value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    value(await channelOf(vps).updateConfig(edit(1, { worker: { vars: { A: '2' } } })));
    expect(value(await channelOf(vps).command(first.commandId))).toMatchObject({
      state: 'cancelled',
      history: [{ state: 'queued' }, { state: 'cancelled', reason: 'superseded' }],
    });
  });

  it('a newer generation leaves the one that a queued deployment is to carry', async () => {
    await site();
    const first = value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    value(await channelOf(vps).deploy(deployment()));
    const second = value(await channelOf(vps).updateConfig(edit(1, { worker: { vars: { A: '2' } } })));
    value(await channelOf(vps).updateConfig(edit(2, { worker: { vars: { A: '3' } } })));
    const stateOf = async ({ commandId }: { commandId: string }) =>
      value(await channelOf(vps).command(commandId)).state;
    expect([await stateOf(first), await stateOf(second)]).toEqual(['queued', 'cancelled']);
  });
});

describe('a deleted site', () => {
  it('is taken from the orchestrator too, so that its successor starts afresh', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    value(await channelOf(vps).removeSite('shop'));
    expect(JSON.parse((await peer.next('entry')).body)).toEqual({ type: 'remove_site', siteId: 'shop' });
    await routed();
    expect(JSON.parse((await peer.next('entry')).body)).toMatchObject({
      type: 'update_config',
      generation: 1,
    });
  });
});
