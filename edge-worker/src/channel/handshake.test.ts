import { describe, expect, it } from 'vitest';
import { channelOf, helloOf, Peer } from './channel.fixture.ts';
import { ownVps, vps } from './shop.fixture.ts';

ownVps('handshake');

describe('the handshake', () => {
  it('D2: a token opens one connection', async () => {
    expect(await Peer.dial(vps, 'once')).toBeInstanceOf(Peer);
    const second = await Peer.dial(vps, 'once');
    expect(second).toBeInstanceOf(Response);
    expect((second as Response).status).toBe(401);
    expect(await (second as Response).json()).toMatchObject({ code: 'token_replayed' });
  });

  it('S6: each admission raises the fence, and the older socket of another process ends for good', async () => {
    const older = await Peer.connect(vps);
    await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    expect(await older.closed()).toMatchObject({ code: 4409 });
    expect(await channelOf(vps).describe()).toMatchObject({
      fence: 2,
      generation: 2,
      presence: { state: 'online' },
    });
  });

  it('S6: the older socket of the same process is replaced', async () => {
    const older = await Peer.connect(vps);
    await Peer.connect(vps);
    expect(await older.closed()).toMatchObject({ code: 4410 });
  });

  it('S5: a superseded process that dials again is refused, and the newer one stays', async () => {
    await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    const stale = await Peer.dial(vps);
    if (stale instanceof Response) throw new Error('refused too early');
    stale.send(helloOf(vps));
    expect(await stale.closed()).toMatchObject({ code: 4409 });
    expect((await channelOf(vps).describe()).presence.state).toBe('online');
  });

  it('S1: a frame before hello is malformed', async () => {
    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused');
    peer.send({ type: 'ack', log: 'control', applied: 0 });
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });
});
