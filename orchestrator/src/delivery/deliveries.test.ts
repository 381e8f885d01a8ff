import { Failure } from '@clawdbot/protocol';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './deliveries.fixture.ts';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

describe('R3, R4, R5: a stored request', () => {
  it('is sent as the customer sent it, under the receipt’s key in place of the customer’s own', async () => {
    const [id] = bench.accept(1);
    await bench.settle();
    const { head, body } = bench.arrived[0]?.call ?? expect.fail('nothing came');
    expect(head).toMatchObject({ method: 'POST', url: '/hooks/a?b', siteId: 'shop', requestId: 'r' });
    expect([head.headers, body]).toEqual([[['idempotency-key', id]], Uint8Array.of(1, 2)]);
  });

  it('that is answered is delivered, and who waits is told the answer behind that', async () => {
    const [id = ''] = bench.accept(1);
    await bench.answerAll(201);
    expect(bench.reports()).toMatchObject([{ receiptId: id, state: 'delivered', status: 201, attempts: 1 }]);
    expect(bench.told).toEqual([
      {
        receiptId: id,
        attempts: 1,
        answer: { status: 201, headers: [], body: Buffer.from('answer 201').toString('base64') },
      },
    ]);
    expect(bench.left).toBe(0);
  });

  it.each([500, 404])(
    'R8: that is begun anew during an attempt does not go by its end: %i',
    async (status) => {
      const again = bench.webhook('/hooks/*', 1_000_000, false);
      const begin = () => {
        bench.sql.transaction(() => bench.deliveries.accept(again));
        bench.deliveries.wake();
      };
      begin();
      for (let refusals = 0; status === 404 && refusals < 4; refusals++) {
        await bench.answerAll(404);
        bench.clock.pass(20_000);
      }
      await bench.settle();
      const [before] = bench.arrived.splice(0);
      const told = bench.reports().length;
      begin();
      before?.answer(status);
      await bench.answerAll(200);
      expect(bench.states(again.receiptId).slice(told)).toEqual(['delivered']);
    },
  );

  it('for which nobody waits is not told of', async () => {
    bench.accept(1, { awaited: false });
    await bench.answerAll(200);
    bench.accept(1, { awaited: false });
    await bench.answerAll(404);
    expect([bench.told, bench.reports().map(({ state }) => state)]).toEqual([[], ['delivered', 'retrying']]);
  });

  it.each([408, 425, 429, 500, 503])(
    'that is answered %i is tried again until it is through',
    async (status) => {
      const [id = ''] = bench.accept(1);
      await bench.answerAll(status);
      expect(bench.told).toEqual([{ receiptId: id, attempts: 1 }]);
      bench.clock.pass(1_000);
      await bench.answerAll(200);
      expect(bench.states(id)).toEqual(['retrying', 'delivered']);
      expect(bench.attempts).toEqual([id, id]);
    },
  );

  it('that cannot be sent, or is not answered in time, is tried again', async () => {
    const [id = ''] = bench.accept(1);
    await bench.settle();
    bench.arrived.splice(0)[0]?.refuse(new Failure('upstream_failed', 'connect ECONNREFUSED'));
    await bench.settle();
    bench.clock.pass(1_000);
    await bench.settle();
    bench.clock.pass(10_000);
    await bench.settle();
    expect(bench.reports(id)).toMatchObject([
      { state: 'retrying', error: 'connect ECONNREFUSED' },
      { state: 'retrying', error: 'the upstream did not answer within 10000 ms' },
    ]);
  });

  it('waits twice as long each time, up to 5 minutes, and as long as the upstream asks', async () => {
    bench.accept(1, { ageMs: 10_000_000 });
    const pauses: number[] = [];
    for (let n = 0; n < 11; n++) {
      await bench.answerAll(500);
      const due = Number(bench.sql.run(`SELECT next_at FROM deliveries`)[0]?.['next_at']);
      pauses.push(Math.round((due - bench.clock.now()) / 1_000));
      bench.clock.pass(due - bench.clock.now());
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    await bench.settle();
    bench.arrived.splice(0)[0]?.answer(429, [['Retry-After', '900']]);
    await bench.settle();
    const due = Number(bench.sql.run(`SELECT next_at FROM deliveries`)[0]?.['next_at']);
    expect(due - bench.clock.now()).toBe(900_000);
  });

  it('that the upstream does not want is dead after 5 answers', async () => {
    const [id = ''] = bench.accept(1);
    for (let n = 0; n < 5; n++) {
      await bench.answerAll(400);
      bench.clock.pass(60_000);
    }
    await bench.settle();
    expect(bench.states(id)).toEqual(['retrying', 'retrying', 'retrying', 'retrying', 'dead']);
    expect([bench.left, bench.attempts.length]).toEqual([0, 5]);
  });

  it('whose customer has waited for the upstream’s no is settled by it, and holds nothing up', async () => {
    const [id = ''] = bench.accept(1);
    bench.waiting.add(id);
    await bench.answerAll(422);
    expect([bench.left, bench.reports()]).toEqual([0, []]);
    expect(bench.told).toMatchObject([{ receiptId: id, answer: { status: 422 } }]);
  });

  it('whose time is up is not sent any more', async () => {
    const [id = ''] = bench.accept(1, { ageMs: 1_500 });
    await bench.answerAll(500);
    bench.clock.pass(1_000);
    await bench.answerAll(500);
    bench.clock.pass(2_000);
    await bench.settle();
    expect([bench.states(id).at(-1), bench.left, bench.attempts.length]).toEqual(['expired', 0, 2]);
  });

  it('that the edge cannot read is dead in the end, and not sent', async () => {
    const { receiptId: id } = bench.webhook('/hooks/*', 1_000_000, true);
    const next = id.replace(/1$/, '2');
    bench.unreadable.add(next);
    expect(bench.accept(1)).toEqual([next]);
    for (let n = 0; n < 5; n++) {
      await bench.settle();
      bench.clock.pass(60_000);
    }
    await bench.settle();
    expect([bench.states(next).at(-1), bench.attempts, bench.left]).toEqual(['dead', [], 0]);
  });

  it('that the edge has settled or erased is dropped without a word', async () => {
    const [id = ''] = bench.accept(1);
    await bench.answerAll(500);
    bench.settled.add(id);
    bench.clock.pass(1_000);
    await bench.settle();
    expect([bench.left, bench.attempts.length, bench.states(id)]).toEqual([0, 1, ['retrying']]);
  });

  it('that a process has sent and not seen answered is sent again by the next, under the same key', async () => {
    const [id = ''] = bench.accept(1);
    await bench.settle();
    bench.restart();
    await bench.answerAll(200);
    expect([bench.attempts, bench.states(id)]).toEqual([[id, id], ['delivered']]);
  });

  it('that was answered while the log was full is not sent again: its end waits for room', async () => {
    const [id = ''] = bench.accept(1);
    bench.room = 0;
    await bench.answerAll(200);
    expect([bench.left, bench.told]).toEqual([1, []]);
    bench.room = 1;
    bench.clock.pass(2_000);
    await bench.settle();
    expect([bench.states(id), bench.attempts, bench.left]).toEqual([['delivered'], [id], 0]);
  });
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
