import { evictDurableObject } from 'cloudflare:test';
import { Failure } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { OpenAttachment } from './attachment.ts';
import { CallLane } from './call-lane.ts';
import { channelOf, errorOf, helloOf, Peer, stubOf, value } from './channel.fixture.ts';
import type { RelayCall } from './relay-rpc.ts';
import type { Incumbency } from './rpc.ts';
import type { Session } from './session.ts';
import { Tallies } from './tallies.ts';

let count = 0;
let vps: string;
beforeEach(() => {
  vps = `lanes-${++count}`;
});

const B = { generation: 2, instanceId: 'process-b' };
const call = (requestId = 'r1'): RelayCall => ({
  requestId,
  target: 'upstream',
  siteId: 'shop',
  method: 'GET',
  url: '/a',
  headers: [],
  body: null,
  deadlineMs: 5_000,
});

/** A call over lane 1 that is answered. */
async function crosses(peer: Peer): Promise<number> {
  const reply = channelOf(vps, 1).relay(call());
  const { id } = await peer.next('request');
  peer.send({ type: 'response', id, status: 204, headers: [], body: { kind: 'none' } });
  return value(await reply).status;
}

describe('PROTOCOL S13: a lane beyond 0', () => {
  it('carries calls, under the fence of lane 0', async () => {
    const control = await Peer.greet(vps, { lanes: 2 });
    const { fence } = await control.next('welcome');
    const peer = await Peer.ask(vps, 1);
    expect(await peer.next('joined')).toMatchObject({ protocol: 1, fence });
    expect(await crosses(peer)).toBe(204);
  });

  it('is told to come back while lane 0 has not welcomed its process', async () => {
    const early = await Peer.ask(vps, 1);
    expect(await early.closed()).toMatchObject({ code: 4425 });
    await Peer.connect(vps);
    expect(await (await Peer.ask(vps, 1, B)).closed()).toMatchObject({ code: 4425 });
  });

  it('is refused for good to a process that another has followed', async () => {
    await Peer.connect(vps, B);
    expect(await (await Peer.ask(vps, 1)).closed()).toMatchObject({ code: 4409 });
    const twin = { ...B, instanceId: 'process-c' };
    expect(await (await Peer.ask(vps, 1, twin)).closed()).toMatchObject({ code: 4409 });
  });

  it('must be named as its token names it, and speak our protocol', async () => {
    await Peer.connect(vps);
    expect(await (await Peer.ask(vps, 1, { lane: 2 })).closed()).toMatchObject({ code: 4400 });
    expect(await (await Peer.ask(vps, 1, { protocol: [9] })).closed()).toMatchObject({ code: 4406 });
  });

  it('ends on all lanes when a newer process takes over, draining ones excepted', async () => {
    await Peer.connect(vps, { lanes: 3 });
    const [one, two] = [await Peer.join(vps, 1), await Peer.join(vps, 2)];
    const reply = channelOf(vps, 2).relay(call());
    const { id } = await two.next('request');
    two.send({ type: 'drain', reason: 'a restart' });
    await vi.waitFor(async () => expect(await channelOf(vps, 2).isReachable()).toBe(false));
    await Peer.connect(vps, B);
    expect(await one.closed()).toMatchObject({ code: 4409 });
    two.send({ type: 'response', id, status: 204, headers: [], body: { kind: 'none' } });
    expect(value(await reply).status).toBe(204);
  });

  it('goes on when its process has dialled lane 0 again, or when lane 0 is away', async () => {
    const control = await Peer.connect(vps);
    const peer = await Peer.join(vps, 1);
    const again = await Peer.connect(vps);
    expect(await control.closed()).toMatchObject({ code: 4410 });
    expect(await crosses(peer)).toBe(204);
    again.close(1001, 'lost');
    await vi.waitFor(async () => expect(await channelOf(vps).isReachable()).toBe(false));
    expect(await crosses(peer)).toBe(204);
  });

  it('replaces its older socket when its process dials it again', async () => {
    await Peer.connect(vps);
    const older = await Peer.join(vps, 1);
    await Peer.connect(vps); // Under a higher fence.
    const newer = await Peer.join(vps, 1);
    expect(await older.closed()).toMatchObject({ code: 4410 });
    expect(await crosses(newer)).toBe(204);
  });

  it('is kept across a hibernation', async () => {
    await Peer.connect(vps);
    const peer = await Peer.join(vps, 1);
    await evictDurableObject(stubOf(vps, 1), { webSockets: 'hibernate' });
    expect(await crosses(peer)).toBe(204);
  });

  it('away or draining says so at once, and that nothing was begun', async () => {
    await Peer.connect(vps);
    const away = errorOf(await channelOf(vps, 1).relay(call()));
    expect(away).toMatchObject({ code: 'orchestrator_away', execution: 'not_started' });
    const peer = await Peer.join(vps, 1);
    expect(await channelOf(vps, 1).isReachable()).toBe(true);
    peer.send({ type: 'drain', reason: 'a restart' });
    await vi.waitFor(async () => expect(await channelOf(vps, 1).isReachable()).toBe(false));
    expect(errorOf(await channelOf(vps, 1).relay(call())).message).toContain('a restart');
  });

  it.each([
    ['entry', { type: 'entry', log: 'control', seq: 1, at: 1, body: '{}' }],
    ['ack', { type: 'ack', log: 'control', applied: 1 }],
    ['blob', { type: 'blob', id: 1, sha256: 'a'.repeat(64), part: 0 }],
  ] as const)('carries nothing durable: %s is malformed', async (_, frame) => {
    await Peer.connect(vps);
    const peer = await Peer.join(vps, 1);
    peer.send(frame);
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });

  it('is not greeted with hello, and lane 0 is not joined', async () => {
    const hello = await Peer.dial(vps, undefined, { lane: 1 });
    if (hello instanceof Response) throw new Error('refused');
    hello.send({ ...helloOf(vps), lane: 1 });
    expect(await hello.closed()).toMatchObject({ code: 4400 });
    await Peer.connect(vps);
    const joining = await Peer.ask(vps, 0, { lane: 1 });
    expect(await joining.closed()).toMatchObject({ code: 4400 });
    const twice = await Peer.join(vps, 1);
    twice.send({ type: 'join', lane: 1, protocol: [1], orchestratorId: vps, version: '1', ...B });
    expect(await twice.closed()).toMatchObject({ code: 4400 });
  });
});

/** A lane whose sessions and whose lane 0 are the test's. */
function alone(incumbent: Incumbency) {
  const world = { now: 1_000_000, incumbent, asked: 0, isReached: true };
  const open: { state: OpenAttachment; closed: string[]; session: Session }[] = [];
  const tasks: Promise<unknown>[] = [];
  const lane = new CallLane({
    orchestratorId: 'vps',
    lane: 1,
    now: () => world.now,
    random: (length) => new Uint8Array(length),
    sessions: () => open.map(({ session }) => ({ session, heartbeatAt: () => world.now })),
    incumbency: async () => {
      world.asked++;
      if (!world.isReached) throw new Failure('deadline_exceeded', 'in the test');
      return world.incumbent;
    },
    background: (task) => void tasks.push(task),
    onConnected: () => undefined,
    tallies: new Tallies(() => world.now),
  });
  const add = (fence: number, instanceId: string) => {
    const state: OpenAttachment = {
      ...{ v: 1, state: 'open', kid: 'k', sessionId: 's', since: world.now, logs: [] },
      ...{ fence, instanceId },
    };
    const closed: string[] = [];
    const session = {
      state,
      heardAt: world.now,
      close: (name: string) => void closed.push(name),
      relay: async () => ({ status: 200, headers: [], body: null }),
    } as unknown as Session; // As much of one as a lane asks.
    open.push({ state, closed, session });
    return closed;
  };
  const join = (instanceId: string, generation: number) =>
    lane.join('k', {
      ...{ type: 'join', lane: 1, protocol: [1], orchestratorId: 'vps', version: '0' },
      ...{ instanceId, generation },
    });
  return { lane, world, add, join, settle: () => Promise.all(tasks.splice(0)) };
}

describe('a lane that could not be told of a new process', () => {
  it('finds it out behind its next call, and asks once in ten seconds', async () => {
    const { lane, world, add, settle } = alone({ generation: 2, instanceId: 'b', fence: 5 });
    const closed = add(3, 'a');
    await lane.relay(call());
    await settle();
    expect(closed).toEqual(['superseded']);
    await lane.relay(call());
    expect(world.asked).toBe(1);
    world.now += 10_001;
    await lane.relay(call());
    expect(world.asked).toBe(2);
  });

  it('ends nothing of the process that has the orchestrator, whatever fence it joined under', async () => {
    const { lane, add, settle } = alone({ generation: 2, instanceId: 'b', fence: 9 });
    const closed = add(5, 'b');
    await lane.relay(call());
    await settle();
    lane.supersede({ generation: 2, instanceId: 'b', fence: 9 });
    expect(closed).toEqual([]);
  });

  it('ends nothing when told of one that was superseded itself since', () => {
    const { lane, add } = alone({ generation: 3, instanceId: 'c', fence: 9 });
    const closed = add(9, 'c');
    lane.supersede({ generation: 2, instanceId: 'b', fence: 5 });
    expect(closed).toEqual([]);
  });

  it('lets go on after a release: whoever dials lane 0 next decides', async () => {
    const { lane, add, settle } = alone({ generation: 0, fence: 5 });
    const closed = add(5, 'a');
    await lane.relay(call());
    await settle();
    expect(closed).toEqual([]);
  });
});

it('S13: who was admitted while a newer process took over dials again', async () => {
  const { lane, world, join } = alone({ generation: 1, instanceId: 'a', fence: 1 });
  const joining = join('a', 1);
  lane.supersede({ generation: 2, instanceId: 'b', fence: 2 });
  expect(await joining).toMatchObject({ close: 'tooEarly' });
  world.incumbent = { generation: 2, instanceId: 'b', fence: 2 };
  expect(await join('b', 2)).toMatchObject({ joined: { fence: 2 } });
});

it('S13: while lane 0’s object does not answer nobody joins, and each dials again', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const { world, join } = alone({ generation: 1, instanceId: 'a', fence: 1 });
  world.isReached = false;
  expect(await join('a', 1)).toMatchObject({ close: 'internal' });
  expect(warned).toHaveBeenCalledOnce();
});
