import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { OrchestratorKey } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import { channelOf, helloOf, Peer, stubOf } from './channel/channel.fixture.ts';
import { ChannelKeyPair, fresh, Tenant } from './edge.fixture.ts';
import { type Services, servicesOf } from './services.ts';
import { sweep } from './sweep.ts';

const services = servicesOf(env, { waitUntil: () => undefined });

/** An orchestrator with two lanes open, both dialled with one key. */
async function connected() {
  const vps = fresh('revoked');
  const tenant = await Tenant.create(vps);
  const key = await ChannelKeyPair.enrol(vps);
  const control = await opened(vps, key.kid);
  control.send({ ...helloOf(vps), lanes: 2 });
  await control.next('welcome');
  const { protocol, generation, instanceId, version } = helloOf(vps);
  const call = await opened(vps, key.kid, 1);
  const own = { protocol, generation, instanceId, version };
  call.send({ type: 'join', orchestratorId: vps, lane: 1, ...own });
  await call.next('joined');
  const path = `/orchestrators/${vps}/keys/${key.kid}/revoke`;
  return { vps, tenant, key, control, call, path };
}

async function opened(vps: string, kid: string, lane = 0): Promise<Peer> {
  const peer = await Peer.dial(vps, undefined, { lane, kid });
  if (peer instanceof Response) throw new Error(`refused: ${peer.status}`);
  return peer;
}

const keysOf = async (response: Response) => (await response.json<{ items: OrchestratorKey[] }>()).items;

describe('POST /orchestrators/:id/keys/:kid/revoke', () => {
  it('cuts the key’s sockets on all lanes, also of objects that sleep, and says who did it', async () => {
    const { vps, tenant, key, control, call, path } = await connected();
    for (const lane of [0, 1]) await evictDurableObject(stubOf(vps, lane), { webSockets: 'hibernate' });
    const response = await tenant.call('POST', path, { role: 'owner' });
    expect(response.status).toBe(200);
    for (const peer of [control, call]) expect(await peer.closed()).toMatchObject({ code: 4403 });
    const by = `owner@${tenant.orgId}`;
    const shown = { kid: key.kid, state: 'revoked', revokedBy: by, revokedAt: expect.any(Number) };
    expect(await keysOf(response)).toEqual([{ ...shown, createdAt: 0, cutAt: expect.any(Number) }]);
    expect((await channelOf(vps).describe()).presence.state).toBe('away');
    expect(await keysOf(await tenant.call('GET', `/orchestrators/${vps}/keys`))).toMatchObject([shown]);
  });

  it('leaves those of other keys alone', async () => {
    const { vps, tenant, control, path } = await connected();
    const other = await ChannelKeyPair.enrol(vps);
    const greeted = await opened(vps, other.kid);
    greeted.send(helloOf(vps));
    await greeted.next('welcome');
    expect(await control.closed()).toMatchObject({ code: 4410 });
    expect((await tenant.call('POST', path)).status).toBe(200);
    await greeted.beat();
    expect(await channelOf(vps).isReachable()).toBe(true);
  });

  it('refuses whoever dials with it on the word of a Worker that has not heard of it yet', async () => {
    const { vps, tenant, key, path } = await connected();
    await tenant.call('POST', path);
    const late = await Peer.dial(vps, undefined, { kid: key.kid });
    expect(late instanceof Response && [late.status, await late.json()]).toMatchObject([
      403,
      { code: 'key_revoked' },
    ]);
  });

  it('is for admins, for their own orchestrators, and for a key that is there', async () => {
    const { tenant, control, path } = await connected();
    expect((await tenant.call('POST', path, { role: 'member' })).status).toBe(403);
    const stranger = await Tenant.create(fresh('vps'));
    expect((await stranger.call('POST', path)).status).toBe(404);
    expect((await tenant.call('POST', path.replace(/keys\/.*\//, 'keys/none/'))).status).toBe(404);
    await control.beat();
  });
});

describe('the cron', () => {
  it('cuts what was revoked in D1 by hand, and tells each object once', async () => {
    const { vps, key, control, call } = await connected();
    await key.revoke();
    await sweep(services);
    for (const peer of [control, call]) expect(await peer.closed()).toMatchObject({ code: 4403 });
    const told: string[] = [];
    const channel: Services['channel'] = (id, lane) => {
      told.push(id);
      return services.channel(id, lane);
    };
    await sweep({ ...services, channel });
    expect(told).not.toContain(vps);
  });

  it('tells those again whose objects did not answer', async () => {
    const { vps, key, control, call } = await connected();
    await key.revoke();
    vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
    const channel: Services['channel'] = (id, lane) => {
      const real = services.channel(id, lane);
      if (id !== vps || lane !== 1) return real;
      return { ...real, cutKey: () => Promise.reject(new Error('object reset')) };
    };
    await sweep({ ...services, channel });
    expect(await control.closed()).toMatchObject({ code: 4403 });
    await call.beat();
    await sweep(services);
    expect(await call.closed()).toMatchObject({ code: 4403 });
  });
});
