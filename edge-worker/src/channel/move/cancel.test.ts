import { beforeAll, describe, expect, it } from 'vitest';
import { channelOf, errorOf, value } from '../channel.fixture.ts';
import {
  type Begun,
  begun,
  ends,
  insist,
  kill,
  type Moment,
  moments,
  watchMoments,
} from './moments.fixture.ts';
import { becomes, Scene } from './scene.fixture.ts';

beforeAll(watchMoments);

const cancelled = async (scene: Scene, moveId: string) => channelOf(scene.from.id).cancelMove(moveId, 'op');

/** It works where it was, with all that came meanwhile, first attempts in order; nothing of it is at the other one. */
async function isWholeHere(all: Begun): Promise<void> {
  const { scene, from, to, old, held } = all;
  const late = await insist(scene, 'three');
  await ends(all, 'undone');
  expect((await scene.look(all.move)).reason).toBe('cancelled by op');
  expect(moments.has(from.id), 'the moment came').toBe(false);
  const delivered = async () => {
    await from.stay().catch(() => {});
    return from.delivered.slice(1);
  };
  await becomes(async () => (await delivered()).at(-1), late);
  expect(from.delivered.slice(1)).toEqual([...held, late].filter((id) => from.delivered.includes(id)));
  expect([old, to.delivered.length]).toEqual([from.delivered[0], 0]);
  expect(await scene.inD1()).toBe(from.id);
  expect(errorOf(await channelOf(to.id).config(scene.siteId)).code).toBe('not_found');
  const edit = { siteId: scene.siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
  await becomes(async () => (await channelOf(from.id).updateConfig(edit)).ok, true);
}

/** Cancelled at that moment, and then struck at the next one. */
const cancelling =
  (at: string, next?: (scene: Scene) => Moment) =>
  (scene: Scene): Moment => ({
    at,
    strike: async (moveId) => {
      // What it has kept to itself so far it is given anew.
      scene.from.isWorking = true;
      if (next !== undefined) moments.set(scene.from.id, next(scene));
      await cancelled(scene, moveId).catch(() => {});
    },
  });

const BEFORE_IT_IS_OWNED = [
  ...['before saying offer', 'before saying config', 'before load', 'after saying receipts'],
  ...['before commit', 'before saying own'],
];
const BEHIND_THAT = ['after saying own', 'before follow', 'after follow'];
const KILLS = [
  ...['before saying undo', 'after saying undo'].flatMap((at) => [
    [at, 'from'] as const,
    [at, 'to'] as const,
  ]),
  ...['before undo', 'after undo'].map((at) => [at, 'from'] as const),
];

describe('a move that is cancelled', { timeout: 30_000 }, () => {
  it('leaves the site as it was, while the new orchestrator has not taken the config', async () => {
    const scene = await Scene.make('cancel');
    const { from } = scene;
    await from.connect();
    const move = await scene.move();
    expect(await scene.cancel(move)).toMatchObject({ reason: 'cancelled by op' });
    expect(await scene.over(move)).toMatchObject({ state: 'undone', reason: 'cancelled by op' });
    const id = await scene.post(from, 'one');
    await becomes(() => from.delivered, [id]);
    expect((await scene.cancel(move)).state).toBe('undone');
    await scene.to.connect();
    expect((await scene.over(await scene.move())).state).toBe('moved');
  });

  it.concurrent.for(BEFORE_IT_IS_OWNED)('is undone: %s', async (at) => {
    await isWholeHere(await begun('cancel', cancelling(at)));
  });

  it.concurrent.for(BEHIND_THAT)(
    'is refused when the other one owns the site, which goes on: %s',
    async (at) => {
      const refusals: unknown[] = [];
      const all = await begun('cancel', (scene) => ({
        at,
        strike: async (moveId) => void refusals.push(errorOf(await cancelled(scene, moveId))),
      }));
      await ends(all, 'moved');
      await becomes(
        () => refusals,
        [
          expect.objectContaining({
            code: 'conflict',
            message: expect.stringContaining('has the site already'),
          }),
        ],
      );
      await becomes(() => all.to.delivered, all.held);
      expect((await all.scene.look(all.move)).reason).toBeUndefined();
    },
  );

  it.concurrent.for(KILLS)('is undone, also when an object is killed: %s: %s', async ([at, victim]) => {
    const next = (scene: Scene) => ({ at, strike: () => kill(scene[victim].id) });
    await isWholeHere(await begun('cancel', cancelling('before load', next)));
  });

  it.concurrent.for(['before saying undo', 'after saying undo'])(
    'is undone, or goes on as if nobody had cancelled it, when the object is killed that has asked: %s',
    async (at) => {
      const next = (scene: Scene) => ({ at, strike: () => kill(scene.from.id) });
      const all = await begun('cancel', cancelling('before saying own', next));
      const { scene, from, to, held, move } = all;
      await becomes(
        async () => {
          for (const vps of [from, to]) await vps.stay().catch(() => {});
          return ['moved', 'undone'].includes((await scene.look(move).catch(() => undefined))?.state ?? '');
        },
        true,
        15_000,
      );
      const { state } = await scene.look(move);
      const [there, other] = state === 'moved' ? [to, from] : [from, to];
      await becomes(() => held.every((id) => there.delivered.includes(id)), true);
      expect(held.some((id) => other.delivered.includes(id))).toBe(false);
      expect(value(await channelOf(there.id).config(scene.siteId)).generation).toBe(1);
    },
  );
});
