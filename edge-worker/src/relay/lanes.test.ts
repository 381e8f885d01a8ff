import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lanes, preferred } from './lanes.ts';

const SITES = Array.from({ length: 4_000 }, (_, n) => `shop-${n}`);

describe('the lane that a site prefers', () => {
  it('is the same each time, and one of all', () => {
    expect(preferred('shop', 4)).toEqual(preferred('shop', 4));
    expect(preferred('shop', 4).sort()).toEqual([0, 1, 2, 3]);
    expect(preferred('shop', 1)).toEqual([0]);
  });

  it('differs from site to site: each lane has its share', () => {
    const shares = new Map<number | undefined, number>();
    for (const site of SITES) {
      const [first] = preferred(site, 4);
      shares.set(first, (shares.get(first) ?? 0) + 1);
    }
    for (const share of shares.values()) expect(Math.abs(share - 1_000)).toBeLessThan(120);
  });

  it('changes for few sites when a lane is added: for those that get the new one', () => {
    const moved = SITES.filter((site) => preferred(site, 4)[0] !== preferred(site, 5)[0]);
    expect(moved.length).toBeLessThan(SITES.length / 4);
    for (const site of moved) expect(preferred(site, 5)[0]).toBe(4);
  });
});

function setup() {
  const world = { now: 0 };
  const lanes = new Lanes(() => world.now);
  const order = (of = [2, 1, 0]) => lanes.order('vps', of);
  return { world, lanes, order };
}

describe('the lanes that a call tries', () => {
  it('are those that the site prefers, in its order', () => {
    expect(setup().order()).toEqual([2, 1, 0]);
  });

  it('begin with one that was not away lately, and end with those that were', () => {
    const { lanes, order } = setup();
    lanes.away('vps', 2);
    expect(order()).toEqual([1, 0, 2]);
    expect(lanes.order('another', [2, 1, 0])).toEqual([2, 1, 0]);
  });

  it('one that was away is tried again after a while, by one call at a time until it has answered', () => {
    const { world, lanes, order } = setup();
    lanes.away('vps', 2);
    world.now = 3_000;
    expect([order()[0], order()[0]]).toEqual([2, 1]);
    lanes.answered('vps', 2);
    expect([order()[0], order()[0]]).toEqual([2, 2]);
  });

  it('a call that would not begin with it leaves that one try to another', () => {
    const { world, lanes, order } = setup();
    lanes.away('vps', 2);
    world.now = 3_000;
    expect(order([1, 2, 0])[0]).toBe(1);
    expect(order([2, 1, 0])[0]).toBe(2);
  });

  it('are at most four, lane 0 always among them, each once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.integer({ min: 0, max: 15 })),
        fc.string(),
        (count, away, site) => {
          const { lanes } = setup();
          for (const lane of away) lanes.away('vps', lane);
          const tried = lanes.order('vps', preferred(site, count));
          expect(tried).toContain(0);
          expect(tried).toHaveLength(Math.min(4, count));
          expect(new Set(tried).size).toBe(tried.length);
          const up = preferred(site, count).filter((lane) => !away.includes(lane));
          if (up.length > 0) expect(tried[0]).toBe(up[0]);
        },
      ),
    );
  });
});
