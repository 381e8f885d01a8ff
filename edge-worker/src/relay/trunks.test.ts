import { Failure } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import type { Answer } from '../channel/answer.ts';
import type { RelayCall, RelayReply, TrunkAnswer, TrunkCall } from '../channel/relay-rpc.ts';
import { Trunks } from './trunks.ts';

const OK: Answer<RelayReply> = { ok: true, value: { status: 200, headers: [], body: null } };
const answerTo = (requestId: string): TrunkAnswer => ({
  ...{ requestId, status: 201, headers: [['a', 'b']], body: { kind: 'text', data: requestId } },
});
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** An object that answers when the test says so. */
function setup(patienceMs = 60_000) {
  const exchanges: {
    ids: string[];
    resolve: (answers: TrunkAnswer[]) => void;
    reject: (e: unknown) => void;
  }[] = [];
  const alone: string[] = [];
  const picked: string[] = [];
  const first = Promise.withResolvers<Answer<RelayReply>>();
  const tasks: Promise<unknown>[] = [];
  const pickUp = async (): Promise<Answer<RelayReply> | undefined> => OK;
  /** `isSilent`: the object answers each exchange with nothing, at once. */
  const world = { now: 1_000, isSilent: false, pickUp };
  const port = {
    relay: ({ requestId }: RelayCall) => {
      alone.push(requestId);
      return alone.length === 1 ? first.promise : Promise.resolve(OK);
    },
    exchange: (_trunk: string, calls: string) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const ids = JSON.parse(calls).map(({ requestId }: TrunkCall) => requestId);
      exchanges.push({ ids, resolve: (answers) => resolve(JSON.stringify(answers)), reject });
      return world.isSilent ? Promise.resolve('[]') : promise;
    },
    pickUp: (requestId: string) => {
      picked.push(requestId);
      return world.pickUp();
    },
  };
  const trunks = new Trunks(patienceMs);
  const services = {
    now: () => world.now,
    randomHex: () => 'id',
    background: (task: Promise<unknown>) => void tasks.push(task),
  };
  const send = (requestId: string, more: Partial<RelayCall> = {}) => {
    const call: RelayCall = {
      ...{ requestId, target: 'upstream', siteId: 'shop', method: 'GET', url: '/', headers: [] },
      ...{ body: null, deadlineMs: 1_000 },
      ...more,
    };
    return trunks.relay('vps/0', () => port, call, services);
  };
  const withdraw = (requestId: string) => trunks.withdraw('vps/0', requestId);
  return { send, withdraw, exchanges, alone, picked, first, tasks, world };
}

describe('calls of several requests', () => {
  it('go by themselves while there is one at a time', async () => {
    const { send, alone, exchanges, first } = setup();
    first.resolve(OK);
    for (const id of ['a', 'b', 'c']) expect(await send(id)).toEqual(OK);
    expect([alone, exchanges]).toEqual([['a', 'b', 'c'], []]);
  });

  it('share one hop when there are more, and each gets its own answer', async () => {
    const { send, alone, exchanges, tasks } = setup();
    void send('a');
    const [b, c, d] = [send('b'), send('c', { method: 'POST', body: new Uint8Array([120]) }), send('d')];
    await settled();
    expect(alone).toEqual(['a']);
    expect(exchanges.map(({ ids }) => ids)).toEqual([['b'], ['c', 'd']]);
    exchanges[1]?.resolve([answerTo('d'), answerTo('b')]);
    exchanges[0]?.resolve([answerTo('c')]);
    for (const [id, call] of Object.entries({ b, c, d }))
      expect(await call).toEqual({ ok: true, value: { status: 201, headers: [['a', 'b']], body: id } });
    await Promise.all(tasks);
  });

  it('whose answers are still open are asked for again', async () => {
    const { send, exchanges } = setup();
    void send('a');
    const [b, c] = [send('b'), send('c')];
    await settled();
    exchanges[1]?.resolve([answerTo('b')]);
    exchanges[0]?.resolve([]);
    await b;
    await settled();
    expect(exchanges[2]?.ids).toEqual([]);
    exchanges[2]?.resolve([answerTo('c')]);
    expect((await c).ok).toBe(true);
  });

  it('with a body that streams or is large go by themselves', async () => {
    const { send, alone, exchanges } = setup();
    void send('a');
    await Promise.all([
      send('b', { body: new Uint8Array(20_000) }),
      send('c', { body: new ReadableStream() }),
      send('d', { headers: [['x', 'y'.repeat(40_000)]] }),
    ]);
    expect([alone, exchanges]).toEqual([['a', 'b', 'c', 'd'], []]);
  });

  it('fetch a large answer by themselves', async () => {
    const { send, exchanges, picked } = setup();
    void send('a');
    const b = send('b');
    await settled();
    exchanges[0]?.resolve([{ requestId: 'b', apart: true }]);
    expect([await b, picked]).toEqual([OK, ['b']]);
  });

  it('fail together, as what they share has failed', async () => {
    const { send, exchanges } = setup();
    void send('a');
    void send('b');
    const [c, d] = [send('c'), send('d')];
    await settled();
    exchanges[1]?.reject(Object.assign(new Error('too much'), { overloaded: true }));
    for (const call of [c, d])
      expect(await call).toMatchObject({
        ok: false,
        error: { code: 'overloaded', execution: 'not_started' },
      });
  });

  it('are told a failure as the object says it', async () => {
    const { send, exchanges } = setup();
    void send('a');
    const b = send('b');
    await settled();
    const error = new Failure('orchestrator_away', 'x', { execution: 'not_started' }).toWire();
    exchanges[0]?.resolve([{ requestId: 'b', error }]);
    expect(await b).toEqual({ ok: false, error });
  });

  it('wait by themselves when they are late, and whoever carried them is free to go', async () => {
    const { send, exchanges, picked, tasks } = setup(20);
    void send('a');
    const b = send('b');
    expect([await b, picked]).toEqual([OK, ['b']]);
    exchanges[0]?.resolve([]);
    await Promise.all(tasks);
  });

  it('go by themselves when the request that was to carry them is gone', async () => {
    const { send, alone, exchanges } = setup(20);
    void send('a');
    // It goes on no more behind its first exchange.
    const real = globalThis.setTimeout;
    const timer = vi
      .spyOn(globalThis, 'setTimeout')
      .mockImplementation(((task: () => void, ms: number) =>
        ms === 0 ? 0 : real(task, ms)) as typeof setTimeout);
    void send('b');
    const c = send('c');
    timer.mockRestore();
    expect([await c, alone, exchanges.map(({ ids }) => ids)]).toEqual([OK, ['a', 'c'], [['b']]]);
  });

  it('are carried by another request after two seconds', async () => {
    const { send, exchanges, tasks, world } = setup();
    void send('a');
    const b = send('b');
    await settled();
    world.now += 2_500;
    void send('a2');
    const c = send('c');
    await settled();
    expect([tasks.length, exchanges.map(({ ids }) => ids)]).toEqual([2, [['b'], ['c']]]);
    exchanges[0]?.resolve([answerTo('b')]);
    exchanges[1]?.resolve([answerTo('c')]);
    expect([(await b).ok, (await c).ok]).toEqual([true, true]);
    await Promise.all(tasks);
  });

  it('that become late while their answer is on its way get that answer', async () => {
    const { send, exchanges, world, tasks } = setup(20);
    world.pickUp = async () => {
      exchanges[0]?.resolve([answerTo('b')]);
      return undefined;
    };
    void send('a');
    expect(await send('b')).toMatchObject({ ok: true, value: { status: 201 } });
    await Promise.all(tasks);
  });

  it('that nobody has an answer for are lost', async () => {
    const { send, exchanges, world, tasks } = setup(20);
    world.pickUp = async () => undefined;
    void send('a');
    const error = { code: 'orchestrator_lost', execution: 'may_have_executed' };
    expect(await send('b')).toMatchObject({ ok: false, error });
    exchanges[0]?.resolve([]);
    await Promise.all(tasks);
  });

  it('have begun when an object that has become overloaded does not tell of them', async () => {
    const { send, world } = setup(20);
    world.pickUp = () => Promise.reject(Object.assign(new Error('too much'), { overloaded: true }));
    void send('a');
    const error = { code: 'orchestrator_lost', execution: 'may_have_executed' };
    expect(await send('b')).toMatchObject({ ok: false, error });
  });

  it('do not fail with those that came after them: each asks for itself', async () => {
    const { send, exchanges, picked } = setup();
    void send('a');
    const [b, c] = [send('b'), send('c')];
    await settled();
    exchanges[1]?.reject(Object.assign(new Error('too much'), { overloaded: true }));
    expect(await c).toMatchObject({ ok: false, error: { code: 'overloaded', execution: 'not_started' } });
    expect([await b, picked]).toEqual([OK, ['b']]);
  });

  it('do not go any more when their customer has left before', async () => {
    const { send, withdraw, exchanges } = setup();
    void send('a');
    const [b, c] = [send('b'), send('c')];
    expect([withdraw('c'), withdraw('c')]).toEqual([true, false]);
    expect((await c).ok).toBe(false);
    await settled();
    exchanges[0]?.resolve([answerTo('b')]);
    expect([(await b).ok, exchanges.map(({ ids }) => ids)]).toEqual([true, [['b']]]);
  });

  it('are waited for no more when their customer has left', async () => {
    const { send, withdraw, exchanges, tasks } = setup();
    void send('a');
    const b = send('b');
    await settled();
    expect([withdraw('b'), (await b).ok]).toEqual([false, false]);
    exchanges[0]?.resolve([]);
    await Promise.all(tasks);
    expect(exchanges).toHaveLength(1);
  });

  it('are no more in one hop than it can carry', async () => {
    const { send, exchanges } = setup();
    void send('a');
    for (let n = 0; n < 301; n++) void send(`r${n}`);
    await vi.waitUntil(() => exchanges.length === 3);
    expect(exchanges.map(({ ids }) => ids.length)).toEqual([1, 256, 44]);
  });

  it('cost the request that carries them fewer hops than the platform gives it', async () => {
    const { send, exchanges, tasks, world } = setup();
    world.isSilent = true;
    const real = globalThis.setTimeout;
    const timer = vi
      .spyOn(globalThis, 'setTimeout')
      .mockImplementation(((task: () => void, ms: number) =>
        ms === 0 ? queueMicrotask(task) : real(task, ms)) as typeof setTimeout);
    void send('a');
    expect(await send('b')).toEqual(OK);
    await Promise.all(tasks);
    timer.mockRestore();
    expect(exchanges.length).toBeLessThan(1_000);
  });
});
