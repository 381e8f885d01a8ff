import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { DRAIN_MS, SESSION_MS_MAX } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import { fresh } from '../edge.fixture.ts';
import type { Attachment } from './attachment.ts';
import { channelOf, Peer, stubOf, value } from './channel.fixture.ts';
import { handoverAt } from './handovers.ts';
import { Session } from './session.ts';
import type { SessionPorts } from './session-ports.ts';

const HOUR_MS = 60 * 60_000;

/** Makes a lane's sockets older; their heartbeats went on, and its object has slept since. */
async function age(vps: string, lane: number, peer: Peer, ms: number): Promise<void> {
  await peer.beat();
  await runInDurableObject(stubOf(vps, lane), (_, ctx) => {
    for (const socket of ctx.getWebSockets()) {
      const state = socket.deserializeAttachment();
      socket.serializeAttachment({ ...state, since: state.since - ms });
    }
  });
  await evictDurableObject(stubOf(vps, lane), { webSockets: 'hibernate' });
}

const alarmOf = (vps: string, lane: number) =>
  runInDurableObject(stubOf(vps, lane), (_, { storage }) => storage.getAlarm());

/** A socket of the one process on this lane; lane 0 was welcomed before. */
const dial = (vps: string, lane: number): Promise<Peer> =>
  lane === 0 ? Peer.connect(vps, { lanes: 2 }) : Peer.join(vps, lane);

async function first(lane: number): Promise<{ vps: string; peer: Peer }> {
  const vps = fresh('handover');
  value(await channelOf(vps).putSite('shop', { paused: false, orgId: 'org-1' }));
  const control = await dial(vps, 0);
  return { vps, peer: lane === 0 ? control : await dial(vps, lane) };
}

const call = (vps: string, lane: number, url: string) =>
  channelOf(vps, lane).relay({
    ...{ requestId: fresh('r'), target: 'upstream', siteId: 'shop', method: 'GET', url },
    ...{ headers: [], body: null, deadlineMs: 5_000 },
  });

async function answer(peer: Peer, url: string, id?: number): Promise<void> {
  const asked = id ?? (await next(peer, url));
  peer.send({ type: 'response', id: asked, status: 204, headers: [], body: { kind: 'none' } });
}
async function next(peer: Peer, url: string): Promise<number> {
  const request = await peer.next('request');
  expect(request.url).toBe(url);
  return request.id;
}

describe.each([0, 1])('PROTOCOL S14: the sessions of lane %i', (lane) => {
  it('are followed within their last hour, by one alarm that is set when they begin', async () => {
    const before = Date.now();
    const { vps } = await first(lane);
    const at = (await alarmOf(vps, lane)) ?? 0;
    expect(at).toBeGreaterThanOrEqual(before + 11 * HOUR_MS);
    expect(at).toBeLessThan(Date.now() + 12 * HOUR_MS - 10 * 60_000);
  });

  it('lose no call: the old one answers what is open on it, and takes new ones until the new one is there', async () => {
    const { vps, peer: old } = await first(lane);
    await age(vps, lane, old, SESSION_MS_MAX - 60_000);
    const open = call(vps, lane, '/open');
    const id = await next(old, '/open');
    await runDurableObjectAlarm(stubOf(vps, lane));
    expect(await old.next('drain')).toMatchObject({ reason: expect.stringContaining('12 h') });
    const between = call(vps, lane, '/between');
    await answer(old, '/between');
    expect(value(await between).status).toBe(204);

    const successor = await dial(vps, lane);
    const later = call(vps, lane, '/later');
    await answer(successor, '/later');
    expect(value(await later).status).toBe(204);
    await answer(old, '/open', id);
    expect(value(await open).status).toBe(204);
    expect(await channelOf(vps, lane).isReachable()).toBe(true);
  });

  it('are asked for nothing before their time, whatever else the alarm rings for', async () => {
    const { vps, peer } = await first(lane);
    await age(vps, lane, peer, 10 * HOUR_MS);
    await runDurableObjectAlarm(stubOf(vps, lane));
    const at = (await alarmOf(vps, lane)) ?? 0;
    expect(at).toBeGreaterThan(Date.now() + 50 * 60_000);
    const only = call(vps, lane, '/only');
    const frame = await peer.frame();
    expect(frame.type).not.toBe('drain');
    if (frame.type === 'request') await answer(peer, '/only', frame.id);
    else await answer(peer, '/only');
    expect(value(await only).status).toBe(204);
  });

  it('end after 12 h when no other has followed', async () => {
    const { vps, peer } = await first(lane);
    await age(vps, lane, peer, SESSION_MS_MAX - 60_000);
    await runDurableObjectAlarm(stubOf(vps, lane));
    await peer.next('drain');
    expect(await alarmOf(vps, lane)).toBeLessThanOrEqual(Date.now() + 60_000);
    await age(vps, lane, peer, 60_000);
    await runDurableObjectAlarm(stubOf(vps, lane));
    expect(await peer.closed()).toMatchObject({ code: 4412 });
  });

  it('end at once when the process dials again before their time', async () => {
    const { vps, peer } = await first(lane);
    await dial(vps, lane);
    expect(await peer.closed()).toMatchObject({ code: 4410 });
  });
});

describe('a session that was followed', () => {
  const state: Attachment = {
    ...{ v: 1, state: 'open', kid: 'k', sessionId: '00000000', since: 0, logs: [] },
    ...{ fence: 1, instanceId: 'a' },
  };

  it('ends when its 30 s are over, and leaves no timer when it ends before', () => {
    const timers = new Map<number, () => void>();
    const close = vi.fn();
    const session = new Session(state, {
      wire: { sendText: vi.fn(), sendBytes: vi.fn(), close },
      save: vi.fn(),
      now: () => 0,
      after: (ms, task) => {
        timers.set(ms, task);
        return () => timers.delete(ms);
      },
      random: (length) => new Uint8Array(length),
      defer: vi.fn(),
      lane: {} as SessionPorts['lane'], // Nothing here asks it.
    });
    session.retire();
    expect(session.state.state).toBe('draining');
    timers.get(DRAIN_MS)?.();
    expect(close).toHaveBeenCalledWith(4412, expect.any(String));
    expect(timers.size).toBe(0);
  });

  it('S14: sessions that began together do not end together', () => {
    const moments = ['00000000', '80000000', 'ffffffff'].map((sessionId) =>
      handoverAt({ since: 0, sessionId }),
    );
    const minutes = moments.map((at) => Math.round((at - 11 * HOUR_MS) / 60_000));
    expect(minutes).toEqual([0, 25, 50]);
  });
});
