import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { isMoveOver, json, type SiteMove } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, errorOf, stubOf, value } from '../channel.fixture.ts';
import type { RelayCall } from '../rpc.ts';
import { Vps } from './vps.fixture.ts';

let count = 0;
let orgId = '';
let [from, to]: [Vps, Vps] = [new Vps('', ''), new Vps('', '')];
let siteId = '';
beforeEach(async () => {
  count++;
  orgId = `org-of-moves-${count}`;
  [from, to] = [new Vps(`from-${count}`, orgId), new Vps(`to-${count}`, orgId)];
  siteId = `shop-${count}`;
  await env.DB.prepare('INSERT INTO orc_organisations VALUES (?, ?, 0)').bind(orgId, 'Test').run();
  for (const { id } of [from, to])
    await env.DB.prepare('INSERT INTO orc_orchestrators VALUES (?, ?, 1, 0)').bind(id, orgId).run();
  await env.DB.prepare(
    'INSERT INTO orc_sites (id, org_id, orchestrator_id, name, created_at) VALUES (?, ?, ?, ?, 0)',
  )
    .bind(siteId, orgId, from.id, siteId)
    .run();
  value(await channelOf(from.id).putSite(siteId, { paused: false, orgId }));
  const route = { path: '/hooks/*', upstream: 'http://127.0.0.1:9', offline: 'queue', respond: 'accepted' };
  const config = json.parse({ routes: [route] });
  const edit = { siteId, actor: 'op', payload: { base: 0, config } };
  value(await channelOf(from.id).updateConfig(edit));
  value(await channelOf(from.id).putSecret({ siteId, name: 'key', value: 'sesame', actor: 'op' }));
});

/** A customer's request, sent to the object of that orchestrator. @returns its receipt */
async function post(at: Vps, body: string, more: Partial<RelayCall> = {}): Promise<string> {
  const reply = value(
    await channelOf(at.id).relay({
      requestId: `request-${crypto.randomUUID()}`,
      target: 'upstream',
      siteId,
      method: 'POST',
      url: '/hooks/lead',
      headers: [],
      body: new TextEncoder().encode(body),
      deadlineMs: 10_000,
      ...more,
    }),
  );
  return reply.headers.find(([name]) => name === 'x-receipt-id')?.[1] ?? '';
}

const move = async (): Promise<SiteMove> => value(await channelOf(from.id).moveSite(siteId, to.id, 'op'));
const over = async ({ id }: SiteMove): Promise<SiteMove> => {
  await expect
    .poll(async () => isMoveOver(value(await channelOf(from.id).siteMove(id))), {
      timeout: 5_000,
      interval: 10,
    })
    .toBe(true);
  return value(await channelOf(from.id).siteMove(id));
};
const inD1 = () =>
  env.DB.prepare('SELECT orchestrator_id FROM orc_sites WHERE id = ?').bind(siteId).first('orchestrator_id');
const becomes = (what: () => unknown, is: unknown) =>
  expect.poll(what, { timeout: 5_000, interval: 10 }).toEqual(is);

const receiptAt = async (at: Vps, id: string) => value(await channelOf(at.id).receipt(id));
/** Pulls a parcel as an orchestrator does. @returns the body in it, or why there is none */
async function pull(at: Vps, receiptId: string): Promise<string> {
  const found = [...from.got, ...to.got].find((webhook) => webhook.receiptId === receiptId);
  return at.pull(receiptId, found?.parcel.sha256 ?? 'f'.repeat(64));
}

describe('a site that is moved', () => {
  it('goes with its config, its secrets and what is not delivered, in order, and D1 follows', async () => {
    await to.connect();
    const ids = [await post(from, 'one'), await post(from, 'two'), await post(from, 'three')];
    const moved = await over(await move());
    expect(moved).toMatchObject({ state: 'moved', from: from.id, to: to.id, receipts: 3 });
    expect(moved.pausedMs).toBeLessThan(1_000);
    expect(await inD1()).toBe(to.id);
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

  it('takes what customers sent along, sealed, and its secrets open there', async () => {
    await to.connect();
    to.isWorking = false;
    const id = await post(from, 'mail=zoe@example.com');
    await over(await move());
    await becomes(() => to.got.length, 1);
    expect(await pull(to, id)).toBe('mail=zoe@example.com');
    expect(await to.secret(siteId, 'key')).toBe('sesame');
  });

  it('R3: is not delivered by the orchestrator of before any more, but for what that has in hand', async () => {
    for (const vps of [from, to]) await vps.connect();
    from.isWorking = false;
    const ids = [await post(from, 'one'), await post(from, 'two')];
    await becomes(() => from.got.length, 2);
    await pull(from, ids[0] ?? '');
    const begun = await move();
    await becomes(async () => value(await channelOf(from.id).siteMove(begun.id)).state, 'moving');
    expect(await pull(from, ids[1] ?? '')).toBe('not_found');
    from.deliver(ids[0] ?? '');
    await over(begun);
    await becomes(() => to.delivered, [ids[1]]);
    expect(await receiptAt(from, ids[0] ?? '')).toMatchObject({ state: 'delivered' });
  });

  it('hears what the orchestrator of before has delivered all the same', async () => {
    for (const vps of [from, to]) await vps.connect();
    from.isWorking = false;
    to.isWorking = false;
    const id = await post(from, 'one');
    await becomes(() => from.got.length, 1);
    await over(await move());
    await becomes(() => to.got.length, 1);
    from.deliver(id);
    await becomes(async () => (await receiptAt(to, id)).state, 'delivered');
    expect(await pull(to, id)).toBe('not_found');
  });

  it('is served through its first object for good: requests, receipts by their ids, edits', async () => {
    await to.connect();
    const key = { headers: [['idempotency-key', 'order-1']] } satisfies Partial<RelayCall>;
    const before = await post(from, 'one', key);
    await over(await move());
    const after = await post(from, 'two');
    expect(after).toMatch(new RegExp(`^rcpt_${to.id}_`));
    await becomes(() => to.delivered, [before, after]);
    expect(await post(from, 'one', key)).toBe(before);
    expect(await receiptAt(from, before)).toMatchObject({
      state: 'delivered',
      history: expect.arrayContaining([
        expect.objectContaining({ reason: `the site was moved here from ${from.id}` }),
      ]),
    });
    expect(value(await channelOf(from.id).eraseReceipt(before, 'op')).state).toBe('erased');
    expect((await receiptAt(to, before)).state).toBe('erased');
    const edit = { siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    expect(value(await channelOf(from.id).updateConfig(edit)).commandId).toContain(`cmd_${to.id}_`);
    const held = value(await channelOf(from.id).receipts({ limit: 10 }));
    expect(held.items).toEqual([]);
  });

  it('cannot be edited meanwhile, but works', async () => {
    await from.connect();
    const begun = await move(); // Its new orchestrator is away, and cannot have applied the config.
    const edit = { siteId, actor: 'op', payload: { base: 1, patch: { routes: [] } } };
    expect(errorOf(await channelOf(from.id).updateConfig(edit))).toMatchObject({
      code: 'site_moving',
      retryable: true,
    });
    const id = await post(from, 'one');
    await becomes(() => from.delivered, [id]);
    expect(await move()).toMatchObject({ id: begun.id });
    await to.connect();
    expect((await over(begun)).state).toBe('moved');
  });

  it('stays where it is when the new orchestrator refuses its config, which is said', async () => {
    for (const vps of [from, to]) await vps.connect();
    to.refusal = 'route /hooks/*: the upstream is not allowed here';
    const undone = await over(await move());
    expect(undone).toMatchObject({ state: 'undone', reason: expect.stringContaining('not allowed here') });
    const id = await post(from, 'one');
    await becomes(() => from.delivered, [id]);
    expect(await inD1()).toBe(from.id);
    expect(errorOf(await channelOf(to.id).config(siteId)).code).toBe('not_found');
    await becomes(() => to.removed, [siteId]);
    to.refusal = undefined;
    expect((await over(await move())).state).toBe('moved');
  });

  it('goes nowhere else meanwhile, and not to where it is', async () => {
    const channel = channelOf(from.id);
    await move();
    expect(errorOf(await channel.moveSite(siteId, `other-${count}`, 'op')).code).toBe('conflict');
    expect(errorOf(await channel.moveSite(siteId, from.id, 'op')).code).toBe('conflict');
    expect(errorOf(await channel.moveSite('unknown', to.id, 'op')).code).toBe('not_found');
  });

  it('is forgotten by the orchestrator of before when nobody sends there any more', async () => {
    for (const vps of [from, to]) await vps.connect();
    await over(await move());
    await becomes(() => stateOf(), 'following');
    await later(60_000);
    await becomes(() => from.removed, [siteId]);
    const id = await post(from, 'one');
    await becomes(() => to.delivered, [id]);
  });

  it('may come back, with all that it has by then', async () => {
    for (const vps of [from, to]) await vps.connect();
    const first = await post(from, 'one');
    await becomes(() => from.delivered, [first]);
    await over(await move());
    const second = await post(to, 'two');
    await becomes(() => to.delivered, [second]);
    await becomes(() => stateOf(), 'following');
    const back = value(await channelOf(to.id).moveSite(siteId, from.id, 'op'));
    await becomes(async () => value(await channelOf(to.id).siteMove(back.id)).state, 'moved');
    expect(await inD1()).toBe(from.id);
    const third = await post(to, 'three');
    await becomes(() => from.delivered, [first, third]);
    for (const [at, id] of [
      [from, first],
      [to, first],
      [to, second],
      [from, third],
    ] as const)
      expect((await receiptAt(at, id)).state).toBe('delivered');
    await later(60_000);
    expect(from.removed).toEqual([]);
  });
});

/** Of the last move away from `from`, as its object has it. */
const stateOf = () =>
  runInDurableObject(
    stubOf(from.id),
    (_, { storage }) => storage.sql.exec(`SELECT state FROM departures`).toArray().at(-1)?.['state'],
  );

/** So much time has passed for the source's moves, and its alarm rings. */
async function later(ms: number): Promise<void> {
  await runInDurableObject(stubOf(from.id), (_, { storage }) => {
    storage.sql.exec(`UPDATE departures SET changed_at = changed_at - ?`, ms);
  });
  await runDurableObjectAlarm(stubOf(from.id));
}
