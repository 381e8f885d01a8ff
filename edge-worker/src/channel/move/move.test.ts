import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { SiteMove, SqlRow } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { listMoves } from '../../data/moves.ts';
import { Dashboard } from '../../hub/hub.fixture.ts';
import { DASHBOARD_HEADER } from '../../hub/rpc.ts';
import { channelOf, errorOf, stubOf, value } from '../channel.fixture.ts';
import { Channel } from '../channel.ts';
import type { RelayCall } from '../relay-rpc.ts';
import { becomes, Scene } from './scene.fixture.ts';
import type { Vps } from './vps.fixture.ts';

let scene: Scene;
let from: Vps;
let to: Vps;
let siteId = '';
beforeEach(async () => {
  scene = await Scene.make('move');
  ({ from, to, siteId } = scene);
});

describe('a site that is moved', () => {
  it('goes with its config, its secrets and what is not delivered, in order, and D1 follows', async () => {
    await to.connect();
    const ids = [
      await scene.post(from, 'one'),
      await scene.post(from, 'two'),
      await scene.post(from, 'three'),
    ];
    const moved = await scene.over(await scene.move());
    expect(moved).toMatchObject({ state: 'moved', from: from.id, to: to.id, receipts: 3 });
    expect(moved.pausedMs).toBeLessThan(1_000);
    expect(await scene.inD1()).toBe(to.id);
    await becomes(() => to.delivered, ids);
    const { config, generation } = value(await channelOf(to.id).config(siteId));
    expect([generation, config.routes.length]).toEqual([1, 1]);
    expect(value(await channelOf(to.id).secrets(siteId))).toMatchObject([{ name: 'key', updatedBy: 'op' }]);
    const { results } = await env.DB.prepare(`SELECT type, data FROM orc_events WHERE site_id = ?`)
      .bind(siteId)
      .all<{ type: string; data: string }>();
    expect(results.map(({ type, data }) => [type, JSON.parse(data).status])).toEqual([
      ['config_change', 'moved'],
    ]);
  });

  it('is shown to dashboards step by step: what waits meanwhile, since when, and the end', async () => {
    await to.connect();
    await scene.post(from, 'one');
    const release = holdUp();
    const dashboard = await watch();
    const { id } = await scene.move();
    await seen(dashboard, (move) => move.id === id && move.state === 'preparing');
    const { heldAt = 0 } = await seen(dashboard, ({ state }) => state === 'moving');
    await scene.post(from, 'two');
    await seen(dashboard, ({ waiting }) => waiting === 1);
    release();
    const { pausedMs = 0, ...moved } = await seen(dashboard, ({ state }) => state === 'moved');
    expect(moved).toMatchObject({ from: from.id, to: to.id, receipts: 2, updatedAt: heldAt + pausedMs });
    expect(moved).not.toHaveProperty('waiting');
    dashboard.close();
  });

  it('takes what customers sent along, sealed, and its secrets open there', async () => {
    await to.connect();
    to.isWorking = false;
    const id = await scene.post(from, 'mail=zoe@example.com');
    await scene.over(await scene.move());
    await becomes(() => to.got.length, 1);
    expect(await scene.pull(to, id)).toBe('mail=zoe@example.com');
    expect(await to.secret(siteId, 'key')).toBe('sesame');
  });

  it('R3: is not delivered by the orchestrator of before any more, but for what that has in hand', async () => {
    for (const vps of [from, to]) await vps.connect();
    from.isWorking = false;
    const ids = [await scene.post(from, 'one'), await scene.post(from, 'two')];
    await becomes(() => from.got.length, 2);
    await scene.pull(from, ids[0] ?? '');
    const begun = await scene.move();
    await becomes(async () => (await scene.look(begun)).state, 'moving');
    expect(await scene.pull(from, ids[1] ?? '')).toBe('not_found');
    from.deliver(ids[0] ?? '');
    await scene.over(begun);
    await becomes(() => to.delivered, [ids[1]]);
    expect(await scene.receipt(from, ids[0] ?? '')).toMatchObject({ state: 'delivered' });
  });

  it('hears what the orchestrator of before has delivered all the same', async () => {
    for (const vps of [from, to]) await vps.connect();
    from.isWorking = false;
    to.isWorking = false;
    const id = await scene.post(from, 'one');
    await becomes(() => from.got.length, 1);
    await scene.over(await scene.move());
    await becomes(() => to.got.length, 1);
    from.deliver(id);
    await becomes(async () => (await scene.receipt(to, id)).state, 'delivered');
    expect(await scene.pull(to, id)).toBe('not_found');
  });

  it('is served through its first object for good: requests, receipts by their ids, edits', async () => {
    await to.connect();
    const key = { headers: [['idempotency-key', 'order-1']] } satisfies Partial<RelayCall>;
    const before = await scene.post(from, 'one', key);
    await scene.over(await scene.move());
    const after = await scene.post(from, 'two');
    expect(after).toMatch(new RegExp(`^rcpt_${to.id}_`));
    await becomes(() => to.delivered, [before, after]);
    expect(await scene.post(from, 'one', key)).toBe(before);
    expect(await scene.receipt(from, before)).toMatchObject({
      state: 'delivered',
      history: expect.arrayContaining([
        expect.objectContaining({ reason: `the site was moved here from ${from.id}` }),
      ]),
    });
    expect(value(await channelOf(from.id).eraseReceipt(before, 'op')).state).toBe('erased');
    expect((await scene.receipt(to, before)).state).toBe('erased');
    const edit = { siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    expect(value(await channelOf(from.id).updateConfig(edit)).commandId).toContain(`cmd_${to.id}_`);
    const left = value(await channelOf(from.id).receipts({ limit: 10 }));
    expect(left.items).toEqual([]);
  });

  it('cannot be edited meanwhile, but works', async () => {
    await from.connect();
    const begun = await scene.move(); // Its new orchestrator is away, and cannot have applied the config.
    const edit = { siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    expect(errorOf(await channelOf(from.id).updateConfig(edit))).toMatchObject({
      code: 'site_moving',
      retryable: true,
    });
    const id = await scene.post(from, 'one');
    await becomes(() => from.delivered, [id]);
    expect(await scene.move()).toMatchObject({ id: begun.id });
    await to.connect();
    expect((await scene.over(begun)).state).toBe('moved');
  });

  it('stays where it is when the new orchestrator refuses its config, which is said', async () => {
    for (const vps of [from, to]) await vps.connect();
    to.refusal = 'route /hooks/*: the upstream is not allowed here';
    const undone = await scene.over(await scene.move());
    expect(undone).toMatchObject({ state: 'undone', reason: expect.stringContaining('not allowed here') });
    const id = await scene.post(from, 'one');
    await becomes(() => from.delivered, [id]);
    expect(await scene.inD1()).toBe(from.id);
    expect(errorOf(await channelOf(to.id).config(siteId)).code).toBe('not_found');
    await becomes(() => to.removed, [siteId]);
    to.refusal = undefined;
    expect((await scene.over(await scene.move())).state).toBe('moved');
  });

  it('has a minute from its turn on, however long it has waited behind an evacuation’s others', async () => {
    await to.connect();
    const id = `move_${from.id}_0000000000000000`;
    await runInDurableObject(stubOf(from.id), (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO departures (move_id, site_id, target, actor, state, began_at, changed_at)
         VALUES (?1, ?2, ?3, 'op', 'preparing', ?4, ?4)`,
        ...[id, siteId, to.id, Date.now() - 120_000],
      );
    });
    await evictDurableObject(stubOf(from.id));
    await becomes(async () => (await scene.look({ id })).state, 'moved');
  });

  it('is in lists from its beginning, also while it waits behind an evacuation’s others', async () => {
    const channel = channelOf(from.id);
    // The new orchestrator is not there: each has its turn for a minute.
    for (let n = 0; n < 9; n++) {
      const other = `${siteId}-${n}`;
      value(await channel.putSite(other, { paused: false, orgId: scene.orgId }));
      const payload = { base: 0, config: { routes: [] } };
      value(await channel.updateConfig({ siteId: other, actor: 'op', payload }));
      value(await channel.moveSite(other, to.id, 'op'));
    }
    const listed = await listMoves(env.DB, scene.orgId, { limit: 20 });
    expect(listed.items).toHaveLength(9);
  });

  it('takes along first the config that runs, when a newer one was refused', async () => {
    for (const vps of [from, to]) {
      Object.assign(vps, { refusal: 'not here', refusedFrom: 2 });
      await vps.connect();
    }
    await becomes(async () => value(await channelOf(from.id).config(siteId)).running?.generation, 1);
    const edit = { siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    const { commandId } = value(await channelOf(from.id).updateConfig(edit));
    await becomes(async () => value(await channelOf(from.id).command(commandId)).state, 'failed');
    expect((await scene.over(await scene.move())).state).toBe('moved');
    await becomes(() => to.generations, [1, 2]);
    const state = value(await channelOf(to.id).config(siteId));
    expect([state.generation, state.running?.generation]).toEqual([2, 1]);
    // Its route is the one that runs: requests are stored.
    const id = await scene.post(to, 'one');
    await becomes(() => to.delivered, [id]);
  });

  it('goes nowhere else meanwhile, and not to where it is', async () => {
    const channel = channelOf(from.id);
    await scene.move();
    expect(errorOf(await channel.moveSite(siteId, 'other', 'op')).code).toBe('conflict');
    expect(errorOf(await channel.moveSite(siteId, from.id, 'op')).code).toBe('conflict');
    expect(errorOf(await channel.moveSite('unknown', to.id, 'op')).code).toBe('not_found');
  });

  it('is forgotten by the orchestrator of before when nobody sends there any more', async () => {
    for (const vps of [from, to]) await vps.connect();
    await scene.over(await scene.move());
    await becomes(() => scene.state(), 'following');
    await scene.later(60_000);
    await becomes(() => from.removed, [siteId]);
    const id = await scene.post(from, 'one');
    await becomes(() => to.delivered, [id]);
  });

  it('may come back, with all that it has by then', async () => {
    for (const vps of [from, to]) await vps.connect();
    const first = await scene.post(from, 'one');
    await becomes(() => from.delivered, [first]);
    await scene.over(await scene.move());
    const second = await scene.post(to, 'two');
    await becomes(() => to.delivered, [second]);
    await becomes(() => scene.state(), 'following');
    const back = value(await channelOf(to.id).moveSite(siteId, from.id, 'op'));
    await becomes(async () => value(await channelOf(to.id).siteMove(back.id)).state, 'moved');
    expect(await scene.inD1()).toBe(from.id);
    const third = await scene.post(to, 'three');
    await becomes(() => from.delivered, [first, third]);
    for (const [at, id] of [
      [from, first],
      [to, first],
      [to, second],
      [from, third],
    ] as const)
      expect((await scene.receipt(at, id)).state).toBe('delivered');
    await scene.later(60_000);
    expect(from.removed).toEqual([]);
  });

  it('takes the largest requests along, in more than one message', async () => {
    await to.connect();
    to.isWorking = false;
    const size = 3 * 1024 * 1024;
    const body = new Uint8Array(size).fill(7);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await scene.post(from, '', { body }));
    expect(await scene.over(await scene.move())).toMatchObject({ state: 'moved', receipts: 3 });
    for (const id of ids)
      expect(value(await channelOf(to.id).receipt(id)).request).toMatchObject({ bodyBytes: size });
    await becomes(() => to.got.map(({ receiptId }) => receiptId), ids);
  });

  it('may be deleted there, and another one made here under its id', async () => {
    for (const vps of [from, to]) await vps.connect();
    const id = await scene.post(from, 'one');
    await becomes(() => from.delivered, [id]);
    await scene.over(await scene.move());
    await becomes(() => scene.state(), 'following');
    value(await channelOf(from.id).removeSite(siteId));
    expect(errorOf(await channelOf(to.id).config(siteId)).code).toBe('not_found');
    const state = { paused: false, orgId: scene.orgId, isNew: true };
    value(await channelOf(from.id).putSite(siteId, state));
    await becomes(() => from.removed, [siteId]);
    expect(value(await channelOf(from.id).config(siteId)).generation).toBe(0);
    expect((await scene.receipt(from, id)).state).toBe('delivered');
  });

  it('settles there what was delivered while its page was on the way, and is sent again', async () => {
    const id = await scene.post(from, 'one');
    const [row] = await runInDurableObject(stubOf(from.id), (_, { storage }) =>
      storage.sql.exec<SqlRow>(`SELECT * FROM receipts`).toArray(),
    );
    const send = async (receipt: SqlRow) =>
      value(
        await channelOf(to.id).arrival({
          ...({ moveId: 'move_nobody_0000000000000000', is: 'receipts' } as const),
          receipts: [{ receipt, parts: [] }],
        }),
      );
    await move(to, 'nobody');
    await send({ ...row });
    await send({ ...row });
    expect((await scene.receipt(to, id)).state).toBe('stored');
    await send({ ...row, state: 'delivered', kept: 0, attempts: 1, status: 200, ended_at: 1 });
    expect((await scene.receipt(to, id)).state).toBe('delivered');
    await send({ ...row });
    expect((await scene.receipt(to, id)).state).toBe('delivered');
  });

  it('is let go of by its new object when the one of before knows nothing of it', async () => {
    await move(to, 'nobody');
    await runInDurableObject(stubOf(to.id), (_, { storage }) => {
      storage.sql.exec(`UPDATE arrivals SET began_at = 0`);
    });
    await runDurableObjectAlarm(stubOf(to.id));
    await becomes(async () => errorOf(await channelOf(to.id).config('lost')).code, 'not_found');
    await becomes(
      () =>
        runInDurableObject(stubOf(to.id), (_, { storage }) =>
          storage.sql.exec(`SELECT state FROM arrivals`).toArray(),
        ),
      [{ state: 'undone' }],
    );
  });
});

/** An offer of a site by an object that then forgets it. */
const move = async (at: Vps, source: string) =>
  value(
    await channelOf(at.id).arrival({
      ...{ moveId: `move_${source}_0000000000000000`, is: 'offer', siteId: 'lost', source, actor: 'op' },
      ...{ orgId: scene.orgId, paused: false, generation: 0, runs: 0 },
    }),
  );

/** What is not delivered does not cross before that is allowed. @returns how */
function holdUp(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { arrival } = Channel.prototype;
  const spy = vi.spyOn(Channel.prototype, 'arrival').mockImplementation(async function (
    this: Channel,
    message,
  ) {
    if (message.is === 'receipts') await promise;
    return arrival.call(this, message);
  });
  return () => {
    spy.mockRestore();
    resolve();
  };
}

/** A dashboard of the scene's organisation, which has been told all that there was. */
async function watch(): Promise<Dashboard> {
  const claims = { exp: Math.floor(Date.now() / 1_000) + 60, orchestrators: [from.id, to.id] };
  // The cast: the binding is typed by what may be asked, not by its class.
  const hub = env.HUB.getByName(scene.orgId) as unknown as DurableObjectStub;
  const headers = { upgrade: 'websocket', [DASHBOARD_HEADER]: JSON.stringify(claims) };
  const dashboard = new Dashboard(await hub.fetch('https://hub/', { headers }));
  await dashboard.next();
  return dashboard;
}

/** The next that a dashboard is told of the move, of which that is so. */
async function seen(dashboard: Dashboard, isSo: (move: SiteMove) => boolean): Promise<SiteMove> {
  const { moves } = await dashboard.update((update) => update.moves.some(isSo));
  const move = moves.find(isSo);
  if (move === undefined) throw new Error('the update has it');
  return move;
}
