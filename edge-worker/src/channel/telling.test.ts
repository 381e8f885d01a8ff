import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { CommandSummary, Event, SiteMove } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import type { HubUpdate } from '../hub/rpc.ts';
import { Meta, objectSql } from './store.ts';
import { Telling } from './telling.ts';

const queues = { control: 0, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 };
const summary = (id: string) => ({ id }) as CommandSummary;
const move = (id: string) => ({ id }) as SiteMove;
const happened = (n: number) => ({ id: `evt_${n}` }) as Event;

class World {
  now = 1_000;
  readonly published: HubUpdate[] = [];
  readonly timers: { ms: number; task: () => void }[] = [];
  readonly touched: string[] = [];
  readonly moved: string[] = [];
  events = 0;
  answer: () => Promise<void> = async () => undefined;
  readonly telling: Telling;

  constructor(meta: Meta) {
    const world = this;
    this.telling = new Telling({
      orchestratorId: 'vps-1',
      meta,
      state: { queues, status: undefined },
      commands: { takeTouched: () => this.touched.splice(0) },
      moves: {
        all: () => [move('all')],
        changed: () => this.moved.splice(0).map(move),
      },
      news: { all: () => [summary('all')], of: (ids) => ids.map(summary) },
      events: {
        last: (limit, behind = 0) =>
          Array.from({ length: this.events - behind }, (_, n) => happened(behind + n + 1)).slice(-limit),
        get position() {
          return world.events;
        },
      },
      presence: () => ({ state: 'online' }),
      now: () => this.now,
      after: (ms, task) => {
        const timer = { ms, task };
        this.timers.push(timer);
        return () => void (this.timers.includes(timer) && this.timers.splice(this.timers.indexOf(timer), 1));
      },
      publish: async (update) => {
        this.published.push(update);
        await this.answer();
      },
    });
  }

  /** Lets what was noted be told. */
  async fire(): Promise<void> {
    const timer = this.timers.shift();
    this.now += timer?.ms ?? 0;
    const before = this.published.length;
    timer?.task();
    if (timer !== undefined) await expect.poll(() => this.published.length).toBeGreaterThan(before);
  }
}

let count = 0;
const inObject = (work: (world: World) => Promise<void>): Promise<void> =>
  runInDurableObject(env.CHANNEL.getByName(`telling-${++count}/0`), (_object, { storage }) =>
    work(new World(new Meta(objectSql(storage)))),
  );

it('while nobody watches, presence is told and nothing else', () =>
  inObject(async (world) => {
    world.telling.note('logs');
    world.telling.note('status');
    expect(world.timers).toEqual([]);
    world.telling.note('presence');
    await world.fire();
    expect(world.published).toEqual([{ orchestratorId: 'vps-1', at: 1_000, presence: { state: 'online' } }]);
  }));

it('when watching begins all is told before the answer, and then what changes, gathered', () =>
  inObject(async (world) => {
    world.events = 150;
    await world.telling.watch();
    expect(world.published[0]).toMatchObject({ queues, commands: [{ id: 'all' }], events: { last: 150 } });
    expect(world.published[0]).toMatchObject({ moves: [{ id: 'all' }] });
    expect(world.published[0]?.events?.items).toHaveLength(100);
    world.touched.push('one');
    world.moved.push('first');
    world.events = 152;
    for (let n = 0; n < 5; n++) world.telling.note('logs');
    expect(world.timers).toHaveLength(1);
    await world.fire();
    expect(world.published[1]).toMatchObject({
      commands: [{ id: 'one' }],
      moves: [{ id: 'first' }],
      events: { items: [{ id: 'evt_151' }, { id: 'evt_152' }], last: 152 },
    });
    world.telling.note('logs');
    expect(world.timers[0]?.ms).toBeGreaterThan(0);
    await world.fire();
    expect(world.published[2]).not.toHaveProperty('events');
    expect(world.published[2]).not.toHaveProperty('moves');
  }));

it('ends 90 s after it was last asked for', () =>
  inObject(async (world) => {
    await world.telling.watch();
    world.now += 89_999;
    world.telling.note('logs');
    expect(world.timers).toHaveLength(1);
    await world.fire();
    world.now += 1_000;
    world.telling.note('logs');
    expect(world.timers).toEqual([]);
  }));

it('what the Hub did not take is told again with the next', () =>
  inObject(async (world) => {
    world.events = 3;
    world.answer = () => Promise.reject(new Error('reset'));
    await world.telling.watch();
    world.answer = async () => undefined;
    world.telling.note('logs');
    await world.fire();
    expect(world.published[1]).toMatchObject({ commands: [{ id: 'all' }], events: { last: 3 } });
    expect(world.published[1]?.events?.items).toHaveLength(3);
  }));

it('what can wait is told a while later, and at once with what has happened', () =>
  inObject(async (world) => {
    await world.telling.watch();
    world.now += 1_000;
    world.telling.note('counts');
    world.telling.note('status');
    expect(world.timers.map(({ ms }) => ms)).toEqual([125]);
    world.telling.note('logs');
    expect(world.timers.map(({ ms }) => ms)).toEqual([0]);
    await world.fire();
    expect(world.timers).toEqual([]);
  }));
