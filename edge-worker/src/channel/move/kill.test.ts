import { runDurableObjectAlarm } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import { channelOf, stubOf, value } from '../channel.fixture.ts';
import {
  type Begun,
  begun,
  ends,
  full,
  insist,
  kill,
  MESSAGES,
  type Moment,
  moments,
  STEPS,
  UNDO_MESSAGES,
  UNDO_STEPS,
  watchMoments,
} from './moments.fixture.ts';
import { becomes, type Scene } from './scene.fixture.ts';

beforeAll(watchMoments);

const killing =
  (at: string, victim: 'from' | 'to') =>
  (scene: Scene): Moment => ({ at, strike: () => kill(scene[victim].id) });

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
      await isWholeThere(await begun('kill', killing(at, victim)));
    },
  );

  it.concurrent.for(own(['leave']))('%s: %s', async ([at]) => {
    const all = await begun('kill', killing('before load', 'from'));
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
    const all = await begun('kill', killing('before saying receipts', 'from'));
    await becomes(() => moments.has(all.from.id), false);
    await runDurableObjectAlarm(stubOf(all.from.id));
    await becomes(() => all.to.delivered, all.held);
  });
});

describe('a move is undone, whichever object is killed', { timeout: 30_000 }, () => {
  it.concurrent.for([...struck(UNDO_MESSAGES), ...own(UNDO_STEPS)])('%s: %s', async ([at, victim]) => {
    // What has ended was taken; what is open finds no room, while requests are held already.
    const all = await begun('kill', (scene) => ({
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
