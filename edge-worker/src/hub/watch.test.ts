import { describe, expect, it } from 'vitest';
import type { ChannelState } from '../channel/rpc.ts';
import type { HubUpdate } from './rpc.ts';
import { WATCH_LAPSE_MS, Watch } from './watch.ts';

const state = (id: string): ChannelState => ({
  id,
  presence: { state: 'online' },
  fence: 1,
  generation: 1,
  queues: { control: 0, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 },
  wakes: 0,
  unknownFrames: 0,
});

/** Channel objects that answer when the test says so. */
function setup() {
  const world = { now: 1_000_000, asked: [] as string[], noted: [] as HubUpdate[], lapsed: [] as string[] };
  const answers = new Map<string, PromiseWithResolvers<ChannelState>>();
  const watchedAt = new Map<string, number>();
  const watch = new Watch({
    now: () => world.now,
    channel: (id) => ({
      describe: (options) => {
        world.asked.push(`${id} ${options?.watch}`);
        const answer = Promise.withResolvers<ChannelState>();
        answers.set(id, answer);
        return answer.promise;
      },
    }),
    note: (update) => void world.noted.push(update),
    watchedAt: (id) => watchedAt.get(id) ?? 0,
    setWatchedAt: (id, at) => void watchedAt.set(id, at),
    lapsed: (id) => void world.lapsed.push(id),
  });
  const answer = (id: string) => answers.get(id)?.resolve(state(id));
  const refuse = (id: string) => answers.get(id)?.reject(new Error('broken'));
  return { watch, world, answer, refuse, watchedAt };
}

describe('watching', () => {
  it('asks every Channel, and notes how it was when it was asked', async () => {
    const { watch, world, answer } = setup();
    const done = watch.ask(['a', 'b']);
    world.now += 500;
    answer('a');
    answer('b');
    await done;
    expect(world.asked).toEqual(['a true', 'b true']);
    expect(world.noted.map(({ orchestratorId, at }) => [orchestratorId, at])).toEqual([
      ['a', 1_000_000],
      ['b', 1_000_000],
    ]);
  });

  it('waits for none that is late, and takes its answer when it comes', async () => {
    const { watch, world, answer } = setup();
    const done = watch.ask(['a', 'slow']);
    answer('a');
    await done;
    expect(world.noted.map(({ orchestratorId }) => orchestratorId)).toEqual(['a']);
    const again = watch.ask(['slow']);
    answer('slow');
    await again;
    expect(world.asked).toEqual(['a true', 'slow true']);
    expect(world.noted.map(({ orchestratorId }) => orchestratorId)).toEqual(['a', 'slow']);
  });

  it('goes on without one that fails, and asks it again later', async () => {
    const { watch, world, answer, refuse, watchedAt } = setup();
    const done = watch.ask(['a', 'broken']);
    answer('a');
    refuse('broken');
    await done;
    world.now += 30_000;
    const again = watch.ask(['broken']);
    answer('broken');
    await again;
    expect(watchedAt.get('broken')).toBe(1_030_000);
  });

  it('asks once for all who come at once', async () => {
    const { watch, world, answer } = setup();
    const all = Promise.all([watch.ask(['a']), watch.ask(['a'])]);
    answer('a');
    await all;
    await watch.ask(['a']);
    expect(world.asked).toEqual(['a true']);
    world.now += 1_000;
    void watch.ask(['a']);
    expect(world.asked).toHaveLength(2);
  });

  it('says of which Channel something may have gone untold', async () => {
    const { watch, world, watchedAt } = setup();
    watchedAt.set('fresh', world.now - WATCH_LAPSE_MS);
    watchedAt.set('stale', world.now - WATCH_LAPSE_MS - 1);
    void watch.ask(['fresh', 'stale']);
    expect(world.lapsed).toEqual(['stale']);
  });
});
