import { Failure } from '@clawdbot/protocol';
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
