import { describe, expect, it } from 'vitest';
import { Cache } from './cache.ts';

/** A cache whose clock, source and background tasks the test holds. */
function setup(entriesMax = 10) {
  const tasks: Promise<unknown>[] = [];
  const world = { now: 0, loads: 0, value: 'a' as string | undefined, fails: false };
  const cache = new Cache<string>({
    freshMs: 10,
    idleMs: 100,
    absentMs: 2,
    faultMs: 1_000,
    entriesMax,
    now: () => world.now,
  });
  const source = {
    load: async () => {
      world.loads++;
      if (world.fails) throw new Error('D1 is down');
      return world.value;
    },
    background: (task: Promise<unknown>) => void tasks.push(task),
  };
  const get = (key = 'k') => cache.get(key, source);
  const peek = () => cache.peek('k', source);
  const settle = () => Promise.all(tasks.splice(0));
  return { cache, world, get, peek, settle, tasks };
}

describe('the cache of the hot path', () => {
  it('loads once while fresh', async () => {
    const { world, get } = setup();
    expect([await get(), await get()]).toEqual(['a', 'a']);
    world.now = 10;
    await get();
    expect(world.loads).toBe(1);
  });

  it('serves what is stale and loads behind the answer', async () => {
    const { world, get, settle } = setup();
    await get();
    world.now = 11;
    world.value = 'b';
    expect(await get()).toBe('a');
    await settle();
    expect(await get()).toBe('b');
    expect(world.loads).toBe(2);
  });

  it('an entry that nobody asked for is loaded first, and serves as it was while D1 fails', async () => {
    const { world, get } = setup();
    await get();
    world.now = 500;
    world.fails = true;
    expect(await get()).toBe('a');
    expect(world.loads).toBe(2);
    world.now = 1_001;
    await expect(get()).rejects.toThrow('D1 is down');
  });

  it('loads behind one answer at a time, and again when that load never ended', async () => {
    const { world, get, tasks } = setup();
    await get();
    world.now = 11;
    world.fails = true;
    await get();
    await get();
    expect(tasks).toHaveLength(1);
    for (world.now = 61; world.now < 10_100; world.now += 50) await get();
    expect(tasks).toHaveLength(2);
  });

  it('never waits while D1 is down, as long as it is asked', async () => {
    const { world, get, settle } = setup();
    await get();
    world.fails = true;
    for (world.now = 50; world.now < 2_000; world.now += 50) expect(await get()).toBe('a');
    await settle();
  });

  it('loads first when nobody has asked for long', async () => {
    const { world, get } = setup();
    await get();
    world.now = 200;
    world.value = 'b';
    expect(await get()).toBe('b');
  });

  it('remembers that there is none, for less long', async () => {
    const { world, get } = setup();
    world.value = undefined;
    expect([await get(), await get()]).toEqual([undefined, undefined]);
    expect(world.loads).toBe(1);
    world.now = 3;
    world.value = 'made';
    expect(await get()).toBe('made');
  });

  it('does not remember a failure', async () => {
    const { world, get } = setup();
    world.fails = true;
    await expect(get()).rejects.toThrow('D1 is down');
    world.fails = false;
    expect(await get()).toBe('a');
  });

  it('drops the oldest beyond its bound', async () => {
    const { world, get } = setup(2);
    for (const key of ['x', 'y', 'z', 'y', 'z']) await get(key);
    expect(world.loads).toBe(3);
    await get('x');
    expect(world.loads).toBe(4);
  });

  it('a load that began before a change does not bring the old value back', async () => {
    const { cache, world, get } = setup();
    const loading = get();
    cache.forget('k');
    world.value = 'b';
    expect(await loading).toBe('a');
    expect(await get()).toBe('b');
  });

  it('a peek waits for nothing: the first has nothing, and loads for those that follow', async () => {
    const { world, peek, settle } = setup();
    expect([peek(), peek()]).toEqual([undefined, undefined]);
    await settle();
    expect([peek(), world.loads]).toEqual(['a', 1]);
    world.now = 11;
    world.value = 'b';
    expect(peek()).toBe('a');
    await settle();
    expect(peek()).toBe('b');
  });

  it('a peek has nothing of what nobody has asked for in a while, until it was loaded anew', async () => {
    const { world, get, peek, settle } = setup();
    await get();
    world.now = 200;
    world.fails = true;
    expect(peek()).toBeUndefined();
    await settle();
    expect(peek(), 'what could not be loaded is still not believed').toBeUndefined();
    expect(await get()).toBe('a');
  });
});
