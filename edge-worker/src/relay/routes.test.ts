import { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import type { ChannelRpc } from '../channel/rpc.ts';
import { preferred } from './lanes.ts';
import { passageOf, RouteTables } from './routes.ts';

const SITE = { siteId: 'shop', orchestratorId: 'vps' };

function setup() {
  const world = { now: 0, loads: 0, lanes: 2, fails: false };
  const tables = new RouteTables(() => world.now);
  const tasks: Promise<unknown>[] = [];
  const routes: ChannelRpc['routes'] = async () => {
    world.loads++;
    if (world.fails) throw new Failure('deadline_exceeded', 'in the test');
    return { ok: true, value: { lanes: world.lanes, isPaused: false, routes: [] } };
  };
  const services = {
    channel: () => ({ routes }),
    background: (task: Promise<unknown>) => void tasks.push(task),
  };
  return {
    world,
    known: (site = SITE) => tables.known(site, services),
    get: () => tables.get(SITE, services),
    settle: () => Promise.all(tasks.splice(0)),
  };
}

describe('a site’s routes', () => {
  it('are loaded once, behind the first request, with the order of lanes that the site prefers', async () => {
    const { known, settle, world } = setup();
    expect([known(), known()]).toEqual([undefined, undefined]);
    await settle();
    expect(known()).toEqual({ lanes: 2, isPaused: false, routes: [], order: preferred('shop', 2) });
    expect(world.loads).toBe(1);
  });

  it('serve for ten seconds, and then while they are loaded anew', async () => {
    const { known, get, settle, world } = setup();
    await get();
    world.now = 9_000;
    known();
    expect(world.loads).toBe(1);
    world.now = 11_000;
    world.lanes = 3;
    expect(known()?.lanes).toBe(2);
    await settle();
    expect(known()?.lanes).toBe(3);
  });

  it('are not believed after ten seconds in which nobody asked: one may have been given a queue', async () => {
    const { known, get, settle, world } = setup();
    await get();
    world.now = 20_000;
    expect(known()).toBeUndefined();
    await settle();
    expect(known()).toBeDefined();
  });

  it('serve on while lane 0’s object does not answer', async () => {
    const { known, get, settle, world } = setup();
    await get();
    world.fails = true;
    for (world.now = 5_000; world.now < 60_000; world.now += 5_000) {
      expect(known()).toBeDefined();
      await settle();
    }
  });

  it('of a site that has moved are those of its new place', async () => {
    const { known, get } = setup();
    await get();
    expect(known({ ...SITE, orchestratorId: 'vps-2' })).toBeUndefined();
  });
});

describe('how a request may be carried', () => {
  const table = {
    lanes: 2,
    isPaused: false,
    routes: [
      { path: '/*', anyLane: true, timeoutMs: 900 },
      { path: '/form', methods: ['POST'], anyLane: false },
    ],
  };
  it.each([
    ['GET', '/form?a', { anyLane: true, deadlineMs: 900 }],
    ['POST', '/form?a', { anyLane: false }],
    ['POST', '/form/a', { anyLane: true, deadlineMs: 900 }],
  ])('%s %s', (method, url, passage) => {
    expect(passageOf(table, { method, url })).toEqual(passage);
  });

  it('one that no route takes is the orchestrator’s to refuse, on any lane', () => {
    expect(passageOf({ ...table, routes: [] }, { method: 'GET', url: '/' })).toEqual({
      anyLane: true,
      deadlineMs: 30_000,
    });
  });

  it('all of a paused site, and of an orchestrator with one lane, goes over lane 0', () => {
    for (const more of [{ isPaused: true }, { lanes: 1 }]) {
      expect(passageOf({ ...table, ...more }, { method: 'GET', url: '/' })).toEqual({ anyLane: false });
    }
  });
});
