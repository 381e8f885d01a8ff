import { Failure } from '@clawdbot/protocol';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { RelayReply, TrunkAnswer, TrunkCall } from './relay-rpc.ts';
import { Trunks } from './trunks.ts';

const callOf = (requestId: string): TrunkCall => ({
  ...{
    requestId,
    target: 'upstream',
    siteId: 'shop',
    method: 'GET',
    url: '/',
    headers: [],
    deadlineMs: 1_000,
  },
});
const bytes = (text: string) => new TextEncoder().encode(text);
const reply = (text: string): RelayReply => ({ status: 200, headers: [['a', 'b']], body: bytes(text) });
/** The microtasks of everything that is under way. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** An object whose calls are answered when the test says so. */
function setup() {
  const calls = new Map<string, PromiseWithResolvers<RelayReply>>();
  const timers: (() => void)[] = [];
  const world = { now: 0 };
  const trunks = new Trunks({
    relay: ({ requestId }) => {
      const call = Promise.withResolvers<RelayReply>();
      calls.set(requestId, call);
      return call.promise;
    },
    now: () => world.now,
    after: (_ms, task) => {
      timers.push(task);
      return () => undefined;
    },
  });
  const answer = (id: string, given: RelayReply = reply(id)) => calls.get(id)?.resolve(given);
  const fail = (id: string, error: unknown) => calls.get(id)?.reject(error);
  const exchange = (trunk: string, ...ids: string[]) => trunks.exchange(trunk, ids.map(callOf));
  const passTime = () => timers.splice(0).map((task) => task());
  return { trunks, calls, answer, fail, exchange, world, passTime };
}

const ids = (answers: readonly TrunkAnswer[]) => answers.map(({ requestId }) => requestId);

describe('an object with trunks', () => {
  it('gives the answers of one message back together', async () => {
    const { exchange, answer } = setup();
    const first = exchange('t', 'a', 'b', 'c');
    answer('b');
    answer('a');
    expect(await first).toEqual([
      { requestId: 'b', status: 200, headers: [['a', 'b']], body: { kind: 'text', data: 'b' } },
      { requestId: 'a', status: 200, headers: [['a', 'b']], body: { kind: 'text', data: 'a' } },
    ]);
  });

  it('lets no slow call hold up others: a later exchange gets what is there', async () => {
    const { exchange, answer } = setup();
    const first = exchange('t', 'slow', 'a');
    answer('a');
    expect(ids(await first)).toEqual(['a']);
    const second = exchange('t', 'b');
    answer('b');
    expect(ids(await second)).toEqual(['b']);
    const third = exchange('t');
    answer('slow');
    expect(ids(await third)).toEqual(['slow']);
  });

  it('ends every exchange that waits once nothing is open', async () => {
    const { exchange, answer } = setup();
    const waiting = [exchange('t', 'a'), exchange('t', 'b')];
    answer('a');
    answer('b');
    expect((await Promise.all(waiting)).flatMap(ids).sort()).toEqual(['a', 'b']);
    expect(await exchange('t')).toEqual([]);
  });

  it('keeps an answer that nobody waits for until its trunk asks again', async () => {
    const { exchange, answer } = setup();
    const first = exchange('t', 'a', 'b');
    answer('a');
    await first;
    answer('b');
    await settled();
    expect(ids(await exchange('t'))).toEqual(['b']);
  });

  it('tells trunks apart', async () => {
    const { exchange, answer } = setup();
    const [one, other] = [exchange('t', 'a'), exchange('u', 'b')];
    answer('b');
    expect(ids(await other)).toEqual(['b']);
    answer('a');
    expect(ids(await one)).toEqual(['a']);
  });

  it('lets a large answer be fetched by itself', async () => {
    const { exchange, answer, trunks } = setup();
    const first = exchange('t', 'a');
    answer('a', reply('x'.repeat(20_000)));
    expect(await first).toEqual([{ requestId: 'a', apart: true }]);
    expect(await trunks.pickUp('a')).toMatchObject({ ok: true, value: { body: { length: 20_000 } } });
    expect(trunks.pickUp('a')).toBeUndefined();
  });

  it('ends a streamed answer that nobody fetches', async () => {
    const { exchange, answer, passTime, trunks } = setup();
    const cancel = vi.fn();
    const first = exchange('t', 'a');
    answer('a', { status: 200, headers: [], body: new ReadableStream({ cancel }) });
    await first;
    passTime();
    await settled();
    expect(cancel).toHaveBeenCalledTimes(1);
    expect(trunks.pickUp('a')).toBeUndefined();
  });

  it('gives a late call to whoever asks for it alone, and its trunk waits for it no more', async () => {
    const { exchange, answer, trunks } = setup();
    const first = exchange('t', 'a');
    const picked = trunks.pickUp('a');
    expect(await first).toEqual([]);
    answer('a');
    expect(await picked).toMatchObject({ ok: true, value: { status: 200 } });
  });

  it('tells how a call failed, and what it cannot know', async () => {
    const { exchange, fail, trunks } = setup();
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const first = exchange('t', 'a', 'b');
    fail('a', new Failure('orchestrator_away', 'nobody', { execution: 'not_started' }));
    fail('b', new TypeError('a bug'));
    expect(await first).toMatchObject([
      { requestId: 'a', error: { code: 'orchestrator_away', execution: 'not_started' } },
      { requestId: 'b', error: { code: 'internal', execution: 'may_have_executed' } },
    ]);
    expect(error).toHaveBeenCalledTimes(1);
    expect(trunks.pickUp('never heard of')).toBeUndefined();
  });

  it('forgets a trunk whose Worker has gone', async () => {
    const { exchange, answer, trunks, world } = setup();
    const first = exchange('t', 'a', 'b');
    answer('a');
    await first;
    answer('b');
    await settled();
    world.now += 60_000;
    void exchange('u', 'c');
    expect(trunks.pickUp('b')).toBeUndefined();
  });
});

it('an answer that comes when its trunk is long forgotten is not kept for ever', async () => {
  const { exchange, answer, trunks, world, passTime } = setup();
  void exchange('t', 'a', 'b');
  world.now += 60_000;
  void exchange('u', 'c');
  answer('a');
  answer('b');
  await settled();
  expect(await trunks.pickUp('a')).toMatchObject({ ok: true });
  passTime();
  expect(trunks.pickUp('b')).toBeUndefined();
});

type Step =
  | { readonly do: 'exchange'; readonly calls: number }
  | { readonly do: 'answer' | 'pickUp'; readonly which: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('exchange' as const), calls: fc.nat(3) }),
  fc.record({ do: fc.constantFrom('answer' as const, 'pickUp' as const), which: fc.nat(1_000) }),
);

it('whatever happens, each call is answered once, and no exchange waits for nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { exchange, answer, trunks } = setup();
      const [open, answered]: [Set<string>, string[]] = [new Set(), []];
      let [begun, waiting] = [0, 0];
      const ask = (...calls: string[]) => {
        waiting++;
        void exchange('t', ...calls).then((answers) => {
          waiting--;
          answered.push(...ids(answers));
        });
      };
      for (const each of steps) {
        if (each.do === 'exchange') {
          const calls = Array.from({ length: each.calls }, () => `r${++begun}`);
          for (const id of calls) open.add(id);
          ask(...calls);
        } else {
          const id = [...open][each.which % Math.max(1, open.size)];
          if (id === undefined) continue;
          open.delete(id);
          if (each.do === 'answer') answer(id);
          else void trunks.pickUp(id)?.then(() => answered.push(id));
          if (each.do === 'pickUp') answer(id);
        }
        if (each.do === 'answer') await settled();
      }
      for (const id of open) answer(id);
      await settled();
      ask();
      await settled();
      expect(answered.toSorted()).toEqual(Array.from({ length: begun }, (_, n) => `r${n + 1}`).toSorted());
      expect(waiting).toBe(0);
    }),
    { numRuns: 100 },
  );
});
