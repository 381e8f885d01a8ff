import { env } from 'cloudflare:workers';
import { json } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { channelOf, value } from '../channel.fixture.ts';
import { command, deploy, from, ordered, ownScene, rows, scene, siteId, to } from './luggage.fixture.ts';
import { kill, late, moments } from './moments.fixture.ts';
import { becomes } from './scene.fixture.ts';

ownScene('held');

const edit = async (base: number): Promise<string> => {
  const given = { siteId, actor: 'op', payload: { base, patch: { routes: [] } } };
  return value(await channelOf(from.id).updateConfig(given)).commandId;
};

describe('commands that were never sent', () => {
  it('go along, in their order, each under its id, its key and its history', async () => {
    const key = `key-of-${siteId}`;
    const ids = [await deploy('a', key), await edit(1), await deploy('b')];
    await to.connect();
    expect(await scene.over(await scene.move())).toMatchObject({ state: 'moved', commands: 4 });
    await becomes(() => ordered(to), [ids[0], ids[2]]);
    await becomes(async () => (await command(ids[0] ?? '')).state, 'delivered');
    expect(await command(ids[0] ?? '')).toMatchObject({
      orchestratorId: to.id,
      history: [
        { state: 'queued', reason: 'by op' },
        { state: 'queued', reason: `the site was moved here from ${from.id}` },
        { state: 'delivered' },
      ],
    });
    await becomes(async () => (await command(ids[1] ?? '')).state, 'succeeded');
    expect(await deploy('a', key)).toBe(ids[0]);
    expect(to.generations.slice(-1)).toEqual([2]);
    expect(await rows(to, `SELECT sha256 FROM blob_uses`)).toHaveLength(2);
    expect(await rows(from, `SELECT sha256 FROM blobs`)).toEqual([]);
    const shown = () =>
      env.DB.prepare('SELECT orchestrator_id FROM orc_commands WHERE id = ?')
        .bind(ids[2] ?? '')
        .first('orchestrator_id');
    await becomes(shown, to.id);
    await from.connect();
    await becomes(() => from.generations.length + from.ordered.length, 0);
  });

  it('are cancelled there by the ids that they had here', async () => {
    const id = await deploy('a');
    await to.connect();
    await scene.over(await scene.move());
    await becomes(() => ordered(to), [id]);
    value(await channelOf(from.id).cancelCommand(id, 'op'));
    expect((await command(id)).milestones.map(({ milestone }) => milestone)).toEqual(['cancel requested']);
  });

  it('are sent from here when the move is undone', async () => {
    const ids = [await deploy('a'), await deploy('b')];
    to.refusal = 'not here';
    await to.connect();
    moments.set(from.id, { at: 'before commit', strike: async (id) => void (await scene.cancel({ id })) });
    to.refusal = undefined;
    expect((await scene.over(await scene.move())).state).toBe('undone');
    await from.connect();
    await becomes(() => ordered(from), ids);
    expect(to.ordered).toEqual([]);
    expect(await rows(to, `SELECT sha256 FROM blobs`)).toEqual([]);
  });

  it.for(
    ['after saying command', 'after saying own'].flatMap((at) =>
      (['from', 'to'] as const).map((victim) => [at, victim] as const),
    ),
  )('are done once, also when an object is killed %s: %s', { timeout: 20_000 }, async ([at, victim]) => {
    const id = await deploy('a');
    await to.connect();
    const dying = scene[victim];
    moments.set(from.id, { at, strike: () => kill(dying.id) });
    const move = await scene.move();
    const state = async () => {
      await to.stay().catch(() => {});
      return (await scene.look(move).catch(() => undefined))?.state;
    };
    await becomes(state, 'moved', 15_000);
    expect(moments.has(from.id), 'the moment came').toBe(false);
    await becomes(() => ordered(to), [id]);
    await from.connect();
    await becomes(async () => (await command(id)).state, 'delivered');
    expect(ordered(from)).toEqual([]);
  });
});

describe('a command that the orchestrator has', () => {
  it('is waited for, which the move says', async () => {
    for (const vps of [from, to]) await vps.connect();
    const id = await deploy('a');
    await becomes(() => ordered(from), [id]);
    const move = await scene.move();
    await becomes(
      async () => (await scene.look(move)).reason,
      `${id} (deploy_worker a) has not ended on ${from.id}: wait for it, or cancel it`,
    );
    from.end(id);
    expect(await scene.over(move)).toMatchObject({ state: 'moved', commands: 0 });
    expect((await scene.look(move)).reason).toBeUndefined();
    expect(to.ordered).toEqual([]);
  });

  it('keeps no other site waiting: one that arrives meanwhile is delivered to at once', async () => {
    for (const vps of [from, to]) await vps.connect();
    const id = await deploy('a');
    await becomes(() => ordered(from), [id]);
    const waiting = await scene.move();
    await becomes(async () => (await scene.look(waiting)).reason?.startsWith(id), true);
    const other = `${siteId}-other`;
    const there = channelOf(to.id);
    value(await there.putSite(other, { paused: false, orgId: scene.orgId }));
    const route = { path: '/*', upstream: 'http://127.0.0.1:9', offline: 'queue', respond: 'accepted' };
    const payload = { base: 0, config: json.parse({ routes: [route] }) };
    value(await there.updateConfig({ siteId: other, actor: 'op', payload }));
    const move = value(await there.moveSite(other, from.id, 'op'));
    await becomes(async () => value(await there.siteMove(move.id)).state, 'moved');
    const receipt = await scene.post(from, 'one', { siteId: other });
    await becomes(() => from.delivered, [receipt]);
    expect((await scene.look(waiting)).state).toBe('preparing');
  });

  it('has the move undone when it takes too long', async () => {
    for (const vps of [from, to]) await vps.connect();
    const id = await deploy('a');
    await becomes(() => ordered(from), [id]);
    const move = await scene.move();
    await becomes(async () => (await scene.look(move)).reason?.includes(id), true);
    late.add(from.id);
    await kill(from.id); // What goes on there has its time in hand.
    await from.stay();
    expect(await scene.over(move)).toMatchObject({
      state: 'undone',
      reason: expect.stringContaining('has not ended'),
    });
  });

  it('stays the own of one that is away, which tells what became of it', async () => {
    await from.connect();
    const id = await deploy('a');
    await becomes(async () => (await command(id)).state, 'delivered');
    from.peer.close(1000, '');
    await becomes(async () => (await channelOf(from.id).describe()).presence.state, 'away');
    await to.connect();
    expect(await scene.over(await scene.move())).toMatchObject({ state: 'moved', commands: 0 });
    expect(await command(id)).toMatchObject({
      state: 'delivered',
      milestones: [{ milestone: 'left behind', detail: expect.stringContaining(to.id) }],
    });
    expect(to.ordered).toEqual([]);
    await from.connect();
    from.end(id);
    await becomes(async () => (await command(id)).state, 'succeeded');
  });
});
