import { Failure } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { CallBudget, ON_THE_WAY_MS } from './budget.ts';
import { SpentCalls } from './spent.ts';

const never = new AbortController().signal;

function budgetOf(calls: number, windowMs = 1_000) {
  const clock = { now: 0 };
  const wait = async (ms: number, signal: AbortSignal) => {
    signal.throwIfAborted();
    clock.now += ms;
  };
  return { clock, budget: new CallBudget({ calls, windowMs }, () => clock.now, wait) };
}

it('never has more calls arrive in any window than its share, however long each is on its way', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: ON_THE_WAY_MS })), {
        minLength: 1,
        maxLength: 30,
      }),
      async (calls, each) => {
        const { clock, budget } = budgetOf(calls);
        const arrived: number[] = [];
        for (const [pause, way] of each) {
          clock.now += pause;
          await budget.take(never);
          arrived.push(clock.now + way);
        }
        for (const at of arrived) {
          const before = arrived.filter((other) => other > at - 1_000 && other <= at).length;
          expect(before).toBeLessThanOrEqual(calls);
        }
      },
    ),
  );
});

it('waits no longer than it must', async () => {
  const { clock, budget } = budgetOf(2);
  await budget.take(never);
  clock.now = 700;
  await budget.take(never);
  await budget.take(never);
  expect(clock.now).toBe(1_000 + ON_THE_WAY_MS);
  await budget.take(never);
  expect(clock.now).toBe(1_700 + ON_THE_WAY_MS);
});

it('holds everybody back for as long as Cloudflare has asked for', async () => {
  const { clock, budget } = budgetOf(100);
  budget.hold(42_000);
  await budget.take(never);
  expect(clock.now).toBe(42_000);
});

it('keeps to a share that has changed meanwhile', async () => {
  const { clock, budget } = budgetOf(100);
  for (let n = 0; n < 3; n++) await budget.take(never);
  budget.share = { calls: 2, windowMs: 1_000 };
  await budget.take(never);
  expect(clock.now).toBe(1_000 + ON_THE_WAY_MS);
});

it('lets go of who waits when the process stops', async () => {
  const { budget } = budgetOf(1);
  await budget.take(never);
  const stopped = AbortSignal.abort(new Failure('conflict', 'stopped'));
  await expect(budget.take(stopped)).rejects.toThrow('stopped');
});

it('waits no longer than a window for what it did before the clock was put back', async () => {
  const { clock, budget } = budgetOf(1);
  clock.now = 86_400_000;
  await budget.take(never);
  clock.now = 0;
  await budget.take(never);
  expect(clock.now).toBe(1_000 + ON_THE_WAY_MS);
});

it('is held for an hour at most, whatever a header says and wherever the clock is put back to', async () => {
  const { clock, budget } = budgetOf(1);
  clock.now = 86_400_000;
  budget.hold(1e12);
  clock.now = 0;
  await budget.take(never);
  expect(clock.now).toBe(3_600_000);
});

describe('a process that comes after a kill', () => {
  /** Processes, one after the other, on one database. */
  function lives(calls: number) {
    const sql = createSql(new Sqlite(':memory:'));
    for (const migrate of MIGRATIONS) migrate(sql);
    const clock = { now: 1_000_000 };
    const now = () => clock.now;
    const wait = async (ms: number) => {
      clock.now += ms;
    };
    const next = () => new CallBudget({ calls, windowMs: 1_000 }, now, wait, new SpentCalls(sql, now));
    return { sql, clock, next };
  }

  it('makes, with those before it, no more calls in any window than its share', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: 40 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.boolean()), { minLength: 60, maxLength: 150 }),
        async (calls, takes) => {
          const { clock, next } = lives(calls);
          const made: number[] = [];
          let budget = next();
          for (const [pause, isKilled] of takes) {
            if (isKilled) budget = next();
            clock.now += pause;
            await budget.take(never);
            made.push(clock.now);
          }
          for (const [n, at] of made.entries())
            expect(n - made.findIndex((other) => other > at - 1_000) + 1).toBeLessThanOrEqual(calls);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('loses no more of a window by it than was reserved ahead, and nothing of the next one', async () => {
    const { clock, next } = lives(25);
    await next().take(never);
    const second = next();
    for (let n = 0; n < 15; n++) await second.take(never);
    expect(clock.now).toBe(1_000_000);
    await second.take(never);
    expect(clock.now).toBe(1_001_000 + ON_THE_WAY_MS);
  });

  it('still holds back when Cloudflare has asked for that', async () => {
    const { clock, next } = lives(25);
    next().hold(42_000);
    await next().take(never);
    expect(clock.now).toBe(1_042_000);
  });

  it('writes one row for ten calls, and keeps those of a window alone', async () => {
    const { sql, clock, next } = lives(100);
    const budget = next();
    const rows = () => sql.run(`SELECT calls FROM api_calls`).length;
    for (let n = 0; n < 40; n++) await budget.take(never);
    expect(rows()).toBe(4);
    clock.now += 1_000 + ON_THE_WAY_MS;
    await budget.take(never);
    expect(rows()).toBe(2);
  });
});
