import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './deliveries.fixture.ts';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

describe('R4: a route', () => {
  it('sends up to 16 at once, in order', async () => {
    const ids = bench.accept(40);
    await bench.settle();
    expect(bench.arrived.map(({ id }) => id)).toEqual(ids.slice(0, 16));
    bench.arrived.splice(3, 1)[0]?.answer(200);
    await bench.settle();
    expect(bench.arrived.map(({ id }) => id)).toContain(ids[16]);
    await bench.answerAll(200);
    expect(bench.attempts).toEqual(ids);
  });

  it('goes on one at a time from its first failure until all that failed are through', async () => {
    const ids = bench.accept(18);
    await bench.settle();
    for (const { id, answer } of bench.arrived.splice(0)) answer(id === ids[2] || id === ids[5] ? 500 : 200);
    await bench.settle();
    expect(bench.arrived).toEqual([]);
    // Who waits behind them is told at once.
    expect(bench.told.filter(({ attempts }) => attempts === 0).map(({ receiptId }) => receiptId)).toEqual(
      ids.slice(16),
    );
    bench.clock.pass(1_000);
    await bench.settle();
    expect(bench.arrived.map(({ id }) => id)).toEqual([ids[2]]);
    bench.arrived.splice(0)[0]?.answer(200);
    await bench.settle();
    expect(bench.arrived.map(({ id }) => id)).toEqual([ids[5]]);
    bench.arrived.splice(0)[0]?.answer(200);
    await bench.settle();
    expect(bench.arrived.map(({ id }) => id)).toEqual(ids.slice(16));
  });

  it('does not wait for those that its upstream does not want, which are tried again beside the others', async () => {
    const bad = bench.accept(20, { awaited: false });
    const unwanted = new Set(bad);
    const [good = ''] = bench.accept(1, { awaited: false });
    const answer = async () => {
      for (await bench.settle(); bench.arrived.length > 0; await bench.settle()) {
        for (const arrived of bench.arrived.splice(0)) arrived.answer(unwanted.has(arrived.id) ? 404 : 200);
      }
    };
    await answer();
    expect(bench.states(good)).toEqual(['delivered']);
    for (let n = 0; n < 4; n++) {
      bench.clock.pass(20_000);
      await answer();
    }
    expect(bad.map((id) => bench.states(id).at(-1))).toEqual(bad.map(() => 'dead'));
    expect(bench.left).toBe(0);
  });

  it('that is well again is drained without waiting for each one’s own pause', async () => {
    bench.accept(16);
    for (let n = 0; n < 8; n++) {
      await bench.answerAll(500);
      bench.clock.pass(300_000);
    }
    await bench.answerAll(200);
    expect(bench.left).toBe(0);
  });

  it('that fails holds up no other, and tells who comes behind its backlog at once', async () => {
    const [, other] = [bench.accept(1), bench.accept(1, { route: '/other/*' })];
    await bench.settle();
    bench.arrived.splice(0)[0]?.answer(500);
    await bench.settle();
    const [behind] = bench.accept(1);
    const [more] = bench.accept(1, { route: '/other/*' });
    await bench.settle();
    expect(bench.told.at(-1)).toEqual({ receiptId: behind, attempts: 0 });
    expect(bench.attempts.slice(1)).toEqual([...other, more]);
  });

  it('whose site is deleted has nothing left to send', async () => {
    bench.accept(20);
    await bench.settle();
    bench.sql.transaction(() => bench.deliveries.removeSite('shop'));
    await bench.answerAll(200);
    expect([bench.left, bench.attempts.length]).toEqual([0, 16]);
  });
});

it('R4: whatever happens, each is through once, first attempts in order, and nothing is left', async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('accept' as const), n: fc.integer({ min: 1, max: 20 }) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        status: fc.constantFrom(200, 200, 500, 400),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'full' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const own = new Bench();
      const ids: string[] = [];
      for (const one of steps) {
        own.room = one.do === 'full' ? 0 : Number.POSITIVE_INFINITY;
        if (one.do === 'accept') ids.push(...own.accept(one.n));
        if (one.do === 'answer') own.arrived.shift()?.answer(one.status);
        if (one.do === 'pass') own.clock.pass(one.ms);
        if (one.do === 'restart') own.restart();
        await own.settle();
      }
      own.room = Number.POSITIVE_INFINITY;
      for (let n = 0; n < 50 && own.left > 0; n++) {
        own.clock.pass(20_000);
        await own.answerAll(200);
      }
      const first = [...new Set(own.attempts)];
      expect(first).toEqual(ids);
      const ends = own.reports().filter(({ state }) => state !== 'retrying');
      expect(ends.map(({ receiptId }) => receiptId).sort()).toEqual([...ids].sort());
      expect(own.left).toBe(0);
    }),
    { numRuns: 40 },
  );
});
