import { type ErrorCode, type Execution, Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../channel/answer.ts';
import type { RelayCall, RelayReply, RouteChoice, StatusCall } from '../channel/relay-rpc.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import { Carriage } from './carriage.ts';
import { Lanes, preferred } from './lanes.ts';
import { RouteTables } from './routes.ts';

const SITE = { siteId: 'shop', orgId: 'org', orchestratorId: 'vps', paused: false };
/** Four lanes, in the order in which the site prefers them. */
const [FIRST = -1, SECOND = -1, THIRD = -1, FOURTH = -1] = preferred(SITE.siteId, 4);

const failed = (code: ErrorCode, execution: Execution, retryAfterMs?: number): Answer<never> => ({
  ok: false,
  error: new Failure(code, 'told by the test', {
    execution,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }).toWire(),
});
const AWAY = failed('orchestrator_away', 'not_started', 5_000);
const LOST = failed('orchestrator_lost', 'may_have_executed');
const OK: Answer<RelayReply> = { ok: true, value: { status: 200, headers: [], body: null } };

/** An orchestrator whose lanes answer as the test says. */
function setup(routes: RouteChoice[] = [{ path: '/*', anyLane: true }], count = 4) {
  const asked: number[] = [];
  const cancelled: number[] = [];
  const deadlines: number[] = [];
  const tasks: Promise<unknown>[] = [];
  const answers = new Map<number, Answer<RelayReply> | Error>();
  const world = { now: 1_000_000, loads: 0, isReachable: (_lane: number) => true };
  const channel = (_: string, lane: number): ChannelRpc => {
    const channel: Partial<ChannelRpc> = {
      relay: async (call) => {
        asked.push(lane);
        deadlines.push(call.deadlineMs);
        const answer = answers.get(lane) ?? OK;
        if (answer instanceof Error) throw answer;
        return answer;
      },
      getStatus: async () => {
        asked.push(lane);
        return answers.get(lane) as Answer<never>;
      },
      cancelCall: async () => void cancelled.push(lane),
      isReachable: async () => world.isReachable(lane),
      routes: async () => {
        world.loads++;
        return { ok: true, value: { lanes: count, isPaused: false, routes } };
      },
    };
    return channel as ChannelRpc;
  };
  const now = () => world.now;
  const services = {
    ...{ lanes: new Lanes(now), routeTables: new RouteTables(now), channel, now },
    trunks: {
      relay: (_: string, port: () => Pick<ChannelRpc, 'relay'>, call: RelayCall) => port().relay(call),
      withdraw: () => false,
    },
    randomHex: () => 'id',
    background: (task: Promise<unknown>) => void tasks.push(task),
  };
  const send = async (more: Partial<RelayCall> = {}) => {
    const carriage = new Carriage(SITE, services);
    const answer = await carriage.relay({
      ...{ requestId: 'r', target: 'upstream', siteId: 'shop', method: 'GET', url: '/a?b', headers: [] },
      ...{ body: null, deadlineMs: 120_000 },
      ...more,
    });
    return answer.ok ? answer.value.status : answer.error.code;
  };
  /** The routes are known from here on. */
  const warm = async () => {
    await services.routeTables.get(SITE, services);
    asked.length = 0;
  };
  return {
    asked,
    cancelled,
    deadlines,
    answers,
    world,
    services,
    send,
    warm,
    settle: () => Promise.all(tasks),
  };
}

describe('a request', () => {
  it('goes over the lane that its site prefers', async () => {
    const { warm, send, asked } = setup();
    await warm();
    expect([await send(), await send()]).toEqual([200, 200]);
    expect(asked).toEqual([FIRST, FIRST]);
  });

  it('waits for no table of routes: lane 0 takes it, and the table is loaded behind it', async () => {
    const { send, asked, settle, world } = setup();
    await Promise.all([send(), send()]);
    await settle();
    await send();
    expect([asked, world.loads]).toEqual([[0, 0, FIRST], 1]);
  });

  it('whose route is queued, kept or verified goes over lane 0 alone', async () => {
    const { warm, send, asked, answers } = setup([
      { path: '/*', anyLane: true },
      { path: '/hooks/*', anyLane: false },
    ]);
    answers.set(0, AWAY);
    await warm();
    expect(await send({ url: '/hooks/a?b' })).toBe('orchestrator_away');
    expect(asked).toEqual([0]);
  });

  it('has its route’s deadline on a lane that knows no routes', async () => {
    const { warm, send, deadlines } = setup([{ path: '/a', anyLane: true, timeoutMs: 700 }]);
    await warm();
    await send();
    expect(deadlines).toEqual([FIRST === 0 ? 120_000 : 700]);
  });

  it('of an orchestrator with one lane has no choice', async () => {
    const { warm, send, asked, answers } = setup(undefined, 1);
    answers.set(0, AWAY);
    await warm();
    expect(await send()).toBe('orchestrator_away');
    expect(asked).toEqual([0]);
  });
});

describe('a lane that has not begun with a request', () => {
  it.each(['GET', 'POST', 'DELETE'])('is passed over for the next: %s', async (method) => {
    const { warm, send, asked, answers } = setup();
    answers.set(FIRST, AWAY);
    await warm();
    const body = method === 'GET' ? null : new Uint8Array(3);
    expect(await send({ method, body })).toBe(200);
    expect(asked).toEqual([FIRST, SECOND]);
  });

  it('is avoided by those that follow, for three seconds', async () => {
    const { warm, send, asked, answers, world } = setup();
    answers.set(FIRST, AWAY);
    await warm();
    await send();
    await send();
    expect(asked).toEqual([FIRST, SECOND, SECOND]);
    world.now += 3_000;
    answers.delete(FIRST);
    await send();
    await send();
    expect(asked.slice(3)).toEqual([FIRST, FIRST]);
  });

  it('is passed over also when it is lane 0, and no table was there yet', async () => {
    const { send, asked, answers } = setup();
    answers.set(0, AWAY);
    expect(await send({ method: 'POST' })).toBe(200);
    expect(asked).toEqual([0, FIRST === 0 ? SECOND : FIRST]);
  });

  it('is one of all: then the customer is told when lane 0 expects the orchestrator', async () => {
    const { warm, services, answers } = setup();
    for (const lane of [FIRST, SECOND, THIRD, FOURTH]) answers.set(lane, AWAY);
    answers.set(0, failed('orchestrator_away', 'not_started', 33_000));
    await warm();
    const call: StatusCall & RelayCall = {
      ...{ requestId: 'r', target: 'upstream', siteId: 'shop', method: 'GET', url: '/', headers: [] },
      ...{ body: null, deadlineMs: 1_000 },
    };
    expect(await new Carriage(SITE, services).relay(call)).toMatchObject({
      error: { code: 'orchestrator_away', retryAfterMs: 33_000 },
    });
  });
});

describe('a lane that was lost in mid-request', () => {
  it.each(['GET', 'HEAD'])('%s is asked once more on another, and no third time', async (method) => {
    const { warm, send, asked, answers } = setup();
    answers.set(FIRST, LOST);
    await warm();
    expect(await send({ method })).toBe(200);
    expect(asked).toEqual([FIRST, SECOND]);
    answers.set(SECOND, LOST);
    expect(await send({ method })).toBe(200); // The first is avoided now: the second is lost, the third answers.
    answers.set(THIRD, LOST);
    answers.set(FOURTH, LOST);
    asked.length = 0;
    expect(await send({ method })).toBe('orchestrator_lost');
    expect(asked).toHaveLength(2);
  });

  it.each<[string, Partial<RelayCall>]>([
    ['a POST', { method: 'POST' }],
    ['a PUT', { method: 'PUT' }],
    ['a GET with a body', { body: new Uint8Array(1) }],
  ])('is the end of %s', async (_, more) => {
    const { warm, send, asked, answers } = setup();
    answers.set(FIRST, LOST);
    await warm();
    expect(await send(more)).toBe('orchestrator_lost');
    expect(asked).toEqual([FIRST]);
  });

  it('and then no other there: it may have been done, and that is what is said', async () => {
    const { warm, send, answers } = setup();
    for (const lane of [0, 1, 2, 3]) answers.set(lane, AWAY);
    answers.set(FIRST, LOST);
    await warm();
    expect(await send()).toBe('orchestrator_lost');
  });

  it('with its object is no different from one whose socket was cut', async () => {
    const { warm, send, asked, answers } = setup();
    answers.set(FIRST, new Error('the object was reset'));
    await warm();
    expect(await send({ method: 'POST' })).toBe('orchestrator_lost');
    await warm();
    answers.set(SECOND, new Error('the object was reset'));
    expect(await send()).toBe(200);
    expect(asked).toEqual([SECOND, THIRD]);
  });
});

it.each<ErrorCode>(['overloaded', 'site_paused', 'upstream_failed', 'deadline_exceeded'])(
  '%s is an answer: no other lane is asked',
  async (code) => {
    const { warm, send, asked, answers } = setup();
    answers.set(FIRST, failed(code, 'not_started'));
    await warm();
    expect(await send()).toBe(code);
    expect(asked).toEqual([FIRST]);
  },
);

it('a body that streams, which can be handed over once, goes to the first lane that can be reached', async () => {
  const { warm, send, asked, world } = setup();
  await warm();
  world.isReachable = (lane) => lane === THIRD;
  const body = new ReadableStream() as unknown as Uint8Array; // What large bodies are.
  expect(await send({ method: 'POST', body })).toBe(200);
  expect(asked).toEqual([THIRD]);
});

it.each<[string, boolean]>([
  ['known', true],
  ['not known yet', false],
])(
  'a body that streams goes to lane 0 while none can be reached: its route (%s) may store it',
  async (_, isWarm) => {
    const { warm, send, asked, world } = setup([{ path: '/*', anyLane: false }]);
    if (isWarm) await warm();
    world.isReachable = () => false;
    const body = new ReadableStream() as unknown as Uint8Array;
    expect(await send({ method: 'POST', body })).toBe(200);
    expect(asked).toEqual([0]);
  },
);

it('who no longer waits is told to the lane that has the request, and no other is asked', async () => {
  const { warm, services, asked, cancelled, answers } = setup();
  await warm();
  const carriage = new Carriage(SITE, services);
  answers.set(FIRST, LOST);
  const call: RelayCall = {
    ...{ requestId: 'r', target: 'upstream', siteId: 'shop', method: 'GET', url: '/', headers: [] },
    ...{ body: null, deadlineMs: 1_000 },
  };
  const answer = carriage.relay(call);
  await carriage.cancelCall('r');
  expect(await answer).toMatchObject({ error: { code: 'orchestrator_lost' } });
  expect(asked.length + cancelled.length).toBeGreaterThan(0);
  expect(asked).toEqual([FIRST]);
});

it('who no longer waits for what has not gone yet is told to no lane', async () => {
  const { warm, services, cancelled } = setup();
  await warm();
  const withdrawn: string[] = [];
  const trunks = {
    relay: async () => {
      await carriage.cancelCall('r');
      return OK;
    },
    withdraw: (name: string, requestId: string) => withdrawn.push(name, requestId) > 0,
  };
  const carriage = new Carriage(SITE, { ...services, trunks });
  await carriage.relay({
    ...{ requestId: 'r', target: 'upstream', siteId: 'shop', method: 'GET', url: '/', headers: [] },
    ...{ body: null, deadlineMs: 1_000 },
  });
  expect([withdrawn, cancelled]).toEqual([[`vps/${FIRST}`, 'r'], []]);
});

it('a live status is asked over lane 0, and over another when that one is away', async () => {
  const { services, asked, answers } = setup();
  answers.set(0, AWAY);
  for (const lane of [1, 2, 3]) answers.set(lane, OK);
  const carriage = new Carriage(SITE, services);
  expect(await carriage.getStatus({ requestId: 'r', siteId: 'shop', deadlineMs: 9 })).toMatchObject({
    ok: true,
  });
  expect(asked).toEqual([0, FIRST === 0 ? SECOND : FIRST]);
});
