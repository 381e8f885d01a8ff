import type { Caller, FrameToOrchestrator } from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reply } from '../calls/index.ts';
import { systemClock as clock } from '../clock.ts';
import { recordingLogger } from '../log.fixture.ts';
import { Backoff } from './backoff.ts';
import { type EdgeSocket, TestEdge, until } from './edge.fixture.ts';
import { Lanes } from './lanes.ts';
import { createTestLogs } from './logs.fixture.ts';
import { request } from './session.fixture.ts';
import { createDial } from './socket.ts';

let edge: TestEdge;
let lanes: Lanes;
let over: Promise<void>;
let url: string;
let answers: ((reply: Partial<Reply>) => void)[];

const caller: Caller = {
  protocol: [1],
  orchestratorId: 'vps-1',
  generation: 1,
  instanceId: 'instance-1',
  version: '0',
};

/** A process with three lanes over a new database, each dialling at once after every end. */
beforeEach(async () => {
  edge = new TestEdge();
  url = await edge.listen();
  answers = [];
  const { logs, resync } = createTestLogs({ clock });
  const options = (lane: number) => ({
    lane,
    dial: createDial({ edgeUrl: url, lane, headers: () => ({}) }),
    backoff: new Backoff({ random: () => 0, now: Date.now }),
    ...{ clock, log: recordingLogger().log },
    services: {
      request: () =>
        new Promise<Reply>((resolve) =>
          answers.push((reply) => resolve({ status: 200, headers: [], body: null, ...reply })),
        ),
      report: () => Promise.reject(new Error('not in this test')),
    },
  });
  const hello = () => ({
    ...{ type: 'hello' as const, ...caller, lane: 0, lanes: 3 },
    ...{ capabilities: [], clockMs: 1, logs: logs.positions(), sites: [] },
  });
  const status = () => ({
    ...{ type: 'status' as const, at: 1, version: '0', uptimeS: 0, sites: [], workers: [] },
    memory: { rssBytes: 1, heapUsedBytes: 1 },
    queues: { inbox: 0, outbox: 0, deadLetters: 0 },
    tunnel: { state: 'not_configured' as const },
  });
  const join = (lane: number) => () => ({ type: 'join' as const, lane, ...caller });
  lanes = new Lanes(
    {
      ...options(0),
      role: { kind: 'control', greeting: hello, logs, resync, status, onApiBudget: () => {} },
    },
    [1, 2].map((lane) => ({ ...options(lane), role: { kind: 'calls', greeting: join(lane) } })),
  );
  over = lanes.runUntilStopped();
});
afterEach(async () => {
  await lanes.stop(0);
  await over;
  await edge.close();
});

const stateOf = (lane: number) =>
  lane === 0 ? lanes.control.state.value.kind : lanes.others[lane - 1]?.state;
const reached = (lane: number, state: string) =>
  until(`lane ${lane} is ${state}`, () => stateOf(lane) === state);

/** All three, open. */
async function opened(): Promise<EdgeSocket[]> {
  const control = await edge.welcomed(0);
  const sockets = [control, await edge.joined(1), await edge.joined(2)];
  for (const lane of [0, 1, 2]) await reached(lane, 'open');
  return sockets;
}

describe('Lanes', () => {
  it('S13: dials those beyond 0 when lane 0 was welcomed, and not before', async () => {
    const control = await edge.socket(0);
    const hello = await control.frame('hello');
    expect(hello).toMatchObject({ lane: 0, lanes: 3 });
    expect(edge.upgrades).toBe(1);
    control.welcome(hello, 1);
    const one = await edge.joined(1);
    expect(one.frames).toMatchObject([{ type: 'join', lane: 1, generation: 1, instanceId: 'instance-1' }]);
  });

  it('S13: the status goes over lane 0 alone', async () => {
    const [control, one] = await opened();
    await control?.frame('status');
    lanes.control.publishStatus();
    await until(
      'a second status',
      () => control?.frames.filter(({ type }) => type === 'status').length === 2,
    );
    expect(one?.frames.map(({ type }) => type)).toEqual(['join']);
  });

  it('each lane comes back by itself, lane 0 too, and the others go on', async () => {
    const [control, one, two] = await opened();
    one?.terminate();
    await edge.joined(1, 1);
    await reached(1, 'open');
    control?.terminate();
    await until('a second socket of lane 0', () => edge.ofLane(0)[1]);
    expect([stateOf(1), stateOf(2), two?.closed]).toEqual(['open', 'open', undefined]);
    two?.send(request(2));
    await until('the call', () => answers[0]);
    answers[0]?.({ status: 201 });
    expect(await two?.frame('response')).toMatchObject({ id: 2, status: 201 });
  });

  it('a lane that is refused stays away alone, and says why', async () => {
    const control = await edge.socket(0);
    const hello = await control.frame('hello');
    edge.refusals.push({ code: 'lane_not_granted' });
    control.welcome(hello, 1);
    const refused = await until('a refused lane', () =>
      lanes.others.find(({ state }) => state === 'refused'),
    );
    expect(refused.reason).toContain('lane_not_granted');
    const other = refused.lane === 1 ? 2 : 1;
    await edge.joined(other);
    await reached(other, 'open');
    expect(stateOf(0)).toBe('open');
  });

  it('S12: what refuses lane 0 for good ends all, and none is dialled again', async () => {
    const [control, one, two] = await opened();
    lanes.control.state.subscribe(({ kind }) => kind === 'refused' && lanes.refuse('superseded'));
    expect(lanes.open).toBe(3);
    control?.close(4409);
    for (const lane of [0, 1, 2]) await reached(lane, 'refused');
    expect(lanes.open).toBe(0);
    await until('all sockets are closed', () => [one, two].every((socket) => socket?.closed !== undefined));
    expect(edge.upgrades).toBe(3);
  });

  it('S10: a stop drains every lane, and waits for the calls on each', async () => {
    const [, one, two] = await opened();
    one?.send(request(2));
    two?.send(request(2));
    await until('both calls', () => answers.length === 2);
    expect(lanes.callsOpen).toBe(2);
    const stopped = lanes.stop(5_000);
    for (const socket of [one, two]) await socket?.frame('drain');
    for (const answer of answers) answer({});
    for (const socket of [one, two]) await socket?.frame('response');
    await stopped;
    expect(lanes.others.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
  });

  it.each<[string, FrameToOrchestrator]>([
    ['entry', { type: 'entry', log: 'control', seq: 1, at: 1, body: '{}' }],
    ['ack', { type: 'ack', log: 'control', applied: 0 }],
    ['resync', { type: 'resync', reason: 'x', finished: [], unrecoverable: [], last: true }],
  ])('S13: %s on a lane beyond 0 is malformed', async (_, frame) => {
    const [, one] = await opened();
    one?.send(frame);
    await until('the close', () => one?.closed === 4400);
  });

  it('C15: asks each lane what it has counted, and says of which it is not told', async () => {
    const [control, one, two] = await opened();
    two?.terminate();
    await until('lane 2 is down', () => stateOf(2) !== 'open');
    const ref = { siteId: 'site-1', window: 'w', version: 'v-2' };
    const tallies = lanes.tallies(ref, new AbortController().signal);
    const none = { answered: 0, failed: 0, apart: 0 };
    const counts = { since: 1, at: 2, version: none, before: none, others: none };
    const { id } = (await control?.frame('get_tally')) ?? { id: 0 };
    control?.send({ type: 'tally', id, ...counts });
    const asked = (await one?.frame('get_tally')) ?? { id: 0 };
    one?.send({ type: 'tally', id: asked.id, ...counts, others: { ...none, answered: 7 } });
    expect(await tallies).toMatchObject([
      { lane: 0, tally: { others: none } },
      { lane: 1, tally: { others: { answered: 7 } } },
      { lane: 2, tally: undefined },
    ]);
  });

  it('S9: a probe is answered on every lane', async () => {
    const [, one] = await opened();
    one?.send({ type: 'probe', n: 7 });
    expect(await one?.frame('probe')).toEqual({ type: 'probe', n: 7 });
  });
});
