import { describe, expect, it } from 'vitest';
import { Pace, UPDATE_INTERVAL_MS } from './pace.ts';

function setup() {
  const world = { now: 0, flushed: [] as string[][], timers: [] as { ms: number; task: () => void }[] };
  const pace = new Pace({
    now: () => world.now,
    after: (ms, task) => void world.timers.push({ ms, task }),
    flush: (changed) => void world.flushed.push([...changed]),
  });
  const fire = () => {
    const timer = world.timers.shift();
    world.now += timer?.ms ?? 0;
    timer?.task();
  };
  return { pace, world, fire };
}

describe('updates to dashboards', () => {
  it('go out at once when it has been quiet', () => {
    const { pace, world } = setup();
    pace.add('a');
    world.now += UPDATE_INTERVAL_MS;
    pace.add('b');
    expect(world.flushed).toEqual([['a'], ['b']]);
    expect(world.timers).toEqual([]);
  });

  it('of a burst go out together, each orchestrator once', () => {
    const { pace, world, fire } = setup();
    for (const id of ['a', 'b', 'c', 'b']) pace.add(id);
    expect(world.timers).toHaveLength(1);
    fire();
    expect(world.flushed).toEqual([['a'], ['b', 'c']]);
  });

  it('are at most ten a second, and none is lost', () => {
    const { pace, world, fire } = setup();
    for (let ms = 0; ms < 1_000; ms += 10) {
      pace.add(`at-${ms}`);
      if ((world.timers[0]?.ms ?? Infinity) <= 10) fire();
      else {
        world.now += 10;
        for (const timer of world.timers) timer.ms -= 10;
      }
    }
    for (; world.timers.length > 0; ) fire();
    expect(world.flushed.length).toBeLessThanOrEqual(11);
    expect(new Set(world.flushed.flat()).size).toBe(100);
  });
});
