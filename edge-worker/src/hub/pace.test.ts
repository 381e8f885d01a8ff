import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** Flushes what has changed, by the count of changes until then. */
function setup() {
  const world = {
    now: 0,
    changes: 0,
    flushed: [] as number[],
    timers: [] as { ms: number; task: () => void }[],
  };
  const pace = new Pace({
    now: () => world.now,
    after: (ms, task) => void world.timers.push({ ms, task }),
    flush: () => void world.flushed.push(world.changes),
  });
  const change = () => {
    world.changes++;
    pace.note();
  };
  const fire = () => {
    const timer = world.timers.shift();
    world.now += timer?.ms ?? 0;
    timer?.task();
  };
  return { change, world, fire };
}

describe('updates to dashboards', () => {
  it('go out at once when it has been quiet', () => {
    const { change, world } = setup();
    change();
    world.now += 125;
    change();
    expect(world.flushed).toEqual([1, 2]);
    expect(world.timers).toEqual([]);
  });

  it('of a burst go out together', () => {
    const { change, world, fire } = setup();
    for (let n = 0; n < 4; n++) change();
    expect(world.timers).toHaveLength(1);
    fire();
    expect(world.flushed).toEqual([1, 4]);
  });

  it('may follow each other at once, three of them, after a quiet while', () => {
    const { change, world, fire } = setup();
    change();
    for (let n = 0; n < 3; n++) {
      change();
      fire();
    }
    expect(world.flushed).toEqual([1, 2, 3, 4]);
    // The first at once, two more as soon as what came with them is gathered, the fourth when it is its turn.
    expect(world.now).toBe(125);
  });

  it('are at most ten a second, and none is lost', () => {
    const { change, world, fire } = setup();
    for (let ms = 0; ms < 1_000; ms += 10) {
      change();
      if ((world.timers[0]?.ms ?? Infinity) <= 10) fire();
      else {
        world.now += 10;
        for (const timer of world.timers) timer.ms -= 10;
      }
    }
    for (; world.timers.length > 0; ) fire();
    expect(world.flushed.length).toBeLessThanOrEqual(11);
    expect(world.flushed.at(-1)).toBe(100);
  });
});
