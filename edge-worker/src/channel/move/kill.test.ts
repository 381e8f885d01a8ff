import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { Failure } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { channelOf, stubOf, value } from '../channel.fixture.ts';
import { Channel } from '../channel.ts';
import type { Answer } from '../rpc.ts';
import { Back } from './back.ts';
import type { Departure } from './book.ts';
import { Forward } from './forward.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';
import { becomes, Scene } from './scene.fixture.ts';

/** What is said to the new object, in this order; `undo` when the move fails. */
const MESSAGES = ['offer', 'rows configs', 'rows secrets', 'config', 'receipts', 'own'] as const;
const UNDO_MESSAGES = ['undo'] as const;
/** The steps of the object that has the site, each of which ends in a state that it wrote. */
const STEPS = ['prepare', 'load', 'commit', 'follow', 'leave'] as const;
const UNDO_STEPS = ['undo', 'close'] as const;

/** Something to be done once, at one moment of one scene's move. */
interface Moment {
  readonly at: string;
  readonly strike: () => Promise<void>;
}
/** By the orchestrator that has the site at first. */
const moments = new Map<string, Moment>();
/** New objects that have no room, by the orchestrator that has the site. */
const full = new Set<string>();

async function pass(source: string, at: string): Promise<void> {
  const moment = moments.get(source);
  if (moment?.at !== at) return;
  moments.delete(source);
  await moment.strike();
}

const sourceOf = (moveId: string): string => moveId.split('_')[1] ?? '';
const nameOf = (message: ArrivalMessage): string =>
  message.is === 'rows' ? `rows ${message.table}` : message.is;

beforeAll(() => {
  const arrival = Channel.prototype.arrival;
  vi.spyOn(Channel.prototype, 'arrival').mockImplementation(async function (this: Channel, message) {
    const source = sourceOf(message.moveId);
    await pass(source, `before saying ${nameOf(message)}`);
    const refused: Answer<Arrival> = { ok: false, error: new Failure('log_full', 'no room').toWire() };
    const answer =
      message.is === 'receipts' && full.has(source) ? refused : await arrival.call(this, message);
    await pass(source, `after saying ${nameOf(message)}`);
    return answer;
  });
  for (const step of STEPS) {
    const run = Forward.prototype[step];
    vi.spyOn(Forward.prototype, step).mockImplementation(async function (this: Forward, move) {
      return struckAround(step, move, () => run.call(this, move));
    });
  }
  for (const step of UNDO_STEPS) {
    const run = Back.prototype[step];
    vi.spyOn(Back.prototype, step).mockImplementation(async function (this: Back, move) {
      return struckAround(step, move, () => run.call(this, move));
    });
  }
});

async function struckAround(step: string, { moveId }: Departure, run: () => Promise<boolean>) {
  await pass(sourceOf(moveId), `before ${step}`);
  const done = await run();
  await pass(sourceOf(moveId), `after ${step}`);
  return done;
}

/** Ends an object as a crash does: what it had in memory is gone, and all that was on its way to and from it. */
const kill = async (orchestratorId: string): Promise<void> => {
  await runInDurableObject(stubOf(orchestratorId), (_, context) => context.abort('killed')).catch(() => {});
};

const killing =
  (at: string, victim: 'from' | 'to') =>
  (scene: Scene): Moment => ({ at, strike: () => kill(scene[victim].id) });

/** A site with one request that was delivered and two that the orchestrator holds, whose move is struck at a moment. */
async function begun(momentOf: (scene: Scene) => Moment) {
  const scene = await Scene.make();
  const { from, to } = scene;
  for (const vps of [from, to]) await vps.connect();
  const old = await scene.post(from, 'delivered before');
  await becomes(() => from.delivered, [old]);
  await becomes(async () => (await scene.receipt(from, old)).state, 'delivered');
  from.isWorking = false;
  const held = [await scene.post(from, 'one'), await scene.post(from, 'two')];
  await becomes(() => from.got.length, 3);
  moments.set(from.id, momentOf(scene));
  const move = await scene.move();
  return { scene, from, to, old, held, move };
}

/** A customer sends until it is taken. */
async function insist(scene: Scene, body: string): Promise<string> {
  for (;;) {
    const id = await scene.post(scene.from, body).catch(() => undefined);
    if (id !== undefined) return id;
  }
}

type Begun = Awaited<ReturnType<typeof begun>>;

/** Both orchestrators dial again when their sockets are gone; whoever asks wakes the objects. */
async function ends({ scene, from, to, move }: Begun, state: string): Promise<void> {
  const stateNow = async () => {
    for (const vps of [from, to]) await vps.stay().catch(() => {});
    return (await scene.look(move).catch(() => undefined))?.state;
  };
  await becomes(stateNow, state, 15_000);
}

async function isWholeThere(all: Begun): Promise<void> {
  const { scene, from, to, old, held } = all;
  const late = await insist(scene, 'three');
  await ends(all, 'moved');
  expect(moments.has(from.id), 'the moment came').toBe(false);
  await becomes(() => to.delivered, [...held, late]);
  expect(from.delivered).toEqual([old]);
  for (const id of [old, ...held, late])
    await becomes(async () => (await scene.receipt(id.includes(to.id) ? to : from, id)).state, 'delivered');
  expect(await scene.inD1()).toBe(to.id);
  expect(value(await channelOf(to.id).config(scene.siteId)).generation).toBe(1);
  expect(await to.secret(scene.siteId, 'key')).toBe('sesame');
  await becomes(() => scene.state(), 'following');
}

const struck = (messages: readonly string[]) =>
  messages.flatMap((message) =>
    ['before', 'after'].flatMap((when) =>
      (['from', 'to'] as const).map((victim) => [`${when} saying ${message}`, victim] as const),
    ),
  );
const own = (steps: readonly string[]) =>
  steps.flatMap((step) => ['before', 'after'].map((when) => [`${when} ${step}`, 'from'] as const));

describe('a move goes on when an object is killed', { timeout: 30_000 }, () => {
  it.concurrent.for([...struck(MESSAGES), ...own(STEPS.filter((step) => step !== 'leave'))])(
    '%s: %s',
    async ([at, victim]) => {
      await isWholeThere(await begun(killing(at, victim)));
    },
  );

  it.concurrent.for(own(['leave']))('%s: %s', async ([at]) => {
    const all = await begun(killing('before load', 'from'));
    await isWholeThere(all);
    moments.set(all.from.id, killing(at, 'from')(all.scene));
    await all.scene.later(60_000).catch(() => {});
    const removed = async () => {
      await all.from.stay().catch(() => {});
      return all.from.removed;
    };
    await becomes(removed, [all.scene.siteId]);
    expect(await all.scene.state()).toBe('done');
  });

  it.concurrent('by its alarm alone, when nobody asks', async () => {
    const all = await begun(killing('before saying receipts', 'from'));
    await becomes(() => moments.has(all.from.id), false);
    await runDurableObjectAlarm(stubOf(all.from.id));
    await becomes(() => all.to.delivered, all.held);
  });
});

describe('a move is undone, whichever object is killed', { timeout: 30_000 }, () => {
  it.concurrent.for([...struck(UNDO_MESSAGES), ...own(UNDO_STEPS)])('%s: %s', async ([at, victim]) => {
    // What has ended was taken; what is open finds no room, while requests are held already.
    const all = await begun((scene) => ({
      at: 'before load',
      strike: async () => {
        full.add(scene.from.id);
        moments.set(scene.from.id, killing(at, victim)(scene));
      },
    }));
    const { scene, from, to, old, held } = all;
    from.isWorking = true;
    const late = await insist(scene, 'three');
    await ends(all, 'undone');
    await becomes(() => scene.state(), 'closed');
    expect(moments.has(from.id), 'the moment came').toBe(false);
    const delivered = async () => {
      await from.stay().catch(() => {});
      return from.delivered.toSorted();
    };
    await becomes(delivered, [old, ...held, late].sort());
    expect(to.delivered).toEqual([]);
    expect(await scene.inD1()).toBe(from.id);
    const edit = { siteId: scene.siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    expect(value(await channelOf(from.id).updateConfig(edit)).generation).toBe(2);
  });
});
