import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { json, type SqlRow } from '@clawdbot/protocol';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channelOf, stubOf, value } from '../channel.fixture.ts';
import { kill, late, moments, watchMoments } from './moments.fixture.ts';
import { becomes, Scene } from './scene.fixture.ts';
import type { Vps } from './vps.fixture.ts';

let scene: Scene;
let from: Vps;
let to: Vps;
let siteId = '';
beforeAll(watchMoments);
beforeEach(async () => {
  scene = await Scene.make('luggage');
  ({ from, to, siteId } = scene);
});

const rows = (at: Vps, sql: string, ...values: (string | number)[]): Promise<SqlRow[]> =>
  runInDurableObject(stubOf(at.id), (_, { storage }) => storage.sql.exec<SqlRow>(sql, ...values).toArray());
const command = async (id: string) => value(await channelOf(from.id).command(id));

const deploy = async (name: string, key?: string): Promise<string> => {
  const modules = { 'i.js': `export default {} // ${siteId} ${name}` };
  const payload = { name, mainModule: 'i.js', modules, compatibilityDate: '2026-01-01' };
  const given = { siteId, actor: 'op', payload, ...(key === undefined ? {} : { idempotencyKey: key }) };
  return value(await channelOf(from.id).deploy(given)).commandId;
};
const edit = async (base: number): Promise<string> => {
  const given = { siteId, actor: 'op', payload: { base, patch: { routes: [] } } };
  return value(await channelOf(from.id).updateConfig(given)).commandId;
};
const ordered = (vps: Vps): string[] => vps.ordered.map(({ commandId }) => commandId);

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

describe('what was deployed for a site', () => {
  const worker = (name: string, more: object = {}) =>
    ({ name, siteId, versionId: `version-of-${name}`, state: 'deployed', at: 1, ...more }) as const;

  /** With the site, when that came here: told at that time by the clock of the orchestrator before. */
  const cameAlong = async (name: string, at: number) => {
    const id = `cmd_earlier_${siteId}`;
    await rows(
      from,
      `INSERT INTO commands (id, type, subject, site_id, state, seq, request_digest, created_by, created_at, updated_at)
       VALUES (?, 'deploy_worker', ?, ?, 'succeeded', 0, '', 'op', 1, 1)`,
      ...[id, name, siteId],
    );
    await rows(
      from,
      `INSERT INTO deployments VALUES (?, ?, 'deploy_worker', ?, '{"status":"deployed","versionId":"long-ago"}', ?)`,
      ...[id, siteId, name, at],
    );
  };

  it('is taken over by the new orchestrator, with what its health is looked at by, and let go of by the one before', async () => {
    for (const vps of [from, to]) await vps.connect();
    await cameAlong('tag', 9);
    const lookedAt = { path: '/health', status: 204 };
    from.tell([worker('tag', { lookedAt }), worker('space/tag'), worker('other', { siteId: 'another' })]);
    await becomes(async () => (await channelOf(from.id).describe()).status?.workers.length, 3);
    expect(await scene.over(await scene.move())).toMatchObject({ state: 'moved', workers: 1 });
    await becomes(() => to.ordered.map(({ type, name }) => [type, name]), [['adopt_worker', 'tag']]);
    expect(to.ordered[0]).toMatchObject({ siteId, deployed: { versionId: 'version-of-tag', lookedAt } });
    await scene.later(60_000);
    await becomes(() => from.removed, [siteId]);
    const [removal] = await rows(from, `SELECT body FROM log_outbox WHERE body ->> 'type' = 'remove_site'`);
    expect(JSON.parse(String(removal?.['body']))).toMatchObject({ siteId, movedTo: to.id });
  });

  it.for([
    ['that its deployment ended with behind the status', 'deployed', 9, 'B'],
    ['that it was adopted with behind the status', 'adopted', 9, 'B'],
    ['before one that failed', 'failed', 9, 'A'],
    ['of the status, when that is newer', 'deployed', 4, 'A'],
  ] as const)('is taken over with the version %s', async ([, status, at, versionId]) => {
    for (const vps of [from, to]) await vps.connect();
    from.tell([worker('tag', { versionId: 'A', lookedAt: { path: '/A', status: 200 } })], 5);
    await becomes(async () => (await channelOf(from.id).describe()).status?.workers.length, 1);
    const commandId = await deploy('tag');
    await becomes(() => ordered(from), [commandId]);
    const move = await scene.move();
    await becomes(async () => (await scene.look(move)).reason?.includes(commandId), true);
    const lookedAt = { path: '/B', status: 200 };
    from.happened(siteId, { commandId, name: 'tag', status, versionId: 'B', lookedAt }, at);
    from.end(commandId);
    expect(await scene.over(move)).toMatchObject({ state: 'moved', workers: 1 });
    await becomes(() => to.ordered.map(({ type, name }) => [type, name]), [['adopt_worker', 'tag']]);
    expect(to.ordered[0]).toMatchObject({ deployed: { versionId, lookedAt: { path: `/${versionId}` } } });
  });

  it('is listed there with what came before, and a key that was used is used', async () => {
    for (const vps of [from, to]) await vps.connect();
    const [key, ended] = [
      `key-of-${siteId}`,
      { state: 'failed', error: { code: 'internal', message: 'no' } },
    ];
    const id = await deploy('a', key);
    await becomes(() => ordered(from), [id]);
    from.end(id, ended);
    await becomes(async () => (await command(id)).state, 'failed');
    await scene.over(await scene.move());
    const listed = async (at: Vps) =>
      value(await channelOf(at.id).deployments({ limit: 10, site: siteId })).items;
    expect(await listed(to)).toMatchObject([{ commandId: id, name: 'a', state: 'failed', error: 'no' }]);
    // Who does not know yet that the site has moved asks here, and is shown the same.
    expect(await listed(from)).toEqual(await listed(to));
    expect(value(await channelOf(from.id).deployments({ limit: 10 })).items).toEqual([]);
    expect(await deploy('a', key)).toBe(id);
    const next = await deploy('b');
    expect((await listed(to)).map(({ commandId }) => commandId)).toEqual([next, id]);
  });
});

describe('answers that are kept for when nobody is there', () => {
  const keep = (url: string, at: number, site = siteId) =>
    rows(
      from,
      `INSERT INTO stale_answers (site_id, url, vary, variant, status, headers, bytes, at, body)
       VALUES (?1, ?2, '[]', '[]', 200, '[]', 10, ?3, zeroblob(10))`,
      ...[site, url, at],
    );
  const kept = async (at: Vps) =>
    (await rows(at, `SELECT url FROM stale_answers ORDER BY at`)).map(({ url }) => url);

  it('go along, and the other sites’ stay', async () => {
    await keep('/a', 1);
    await keep('/b', 2);
    await keep('/c', 3, 'another');
    await to.connect();
    await scene.over(await scene.move());
    expect([await kept(from), await kept(to)]).toEqual([['/c'], ['/a', '/b']]);
  });

  it('go along up to 32 MiB, those that were renewed last', async () => {
    await rows(
      from,
      `WITH RECURSIVE counted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 33)
       INSERT INTO stale_answers (site_id, url, vary, variant, status, headers, bytes, at, body)
       SELECT ?, '/' || n, '[]', '[]', 200, '[]', 1048576, n, zeroblob(1048576) FROM counted`,
      siteId,
    );
    await to.connect();
    await scene.over(await scene.move());
    expect(await kept(to)).toEqual(Array.from({ length: 31 }, (_, n) => `/${n + 3}`));
  });

  it('go from there when the move is undone', async () => {
    await keep('/a', 1);
    to.refusal = 'not here';
    await to.connect();
    expect((await scene.over(await scene.move())).state).toBe('undone');
    expect([await kept(from), await kept(to)]).toEqual([['/a'], []]);
  });
});

it('a request that comes when its site is in order there already is let go of, too', async () => {
  await to.connect();
  const id = await scene.post(from, 'one');
  const [receipt] = await rows(from, `SELECT * FROM receipts WHERE id = ?`, id);
  const moveId = 'move_nobody_0000000000000000';
  const say = async (message: object) =>
    value(
      await channelOf(to.id).arrival({ moveId, ...message } as Parameters<
        ReturnType<typeof channelOf>['arrival']
      >[0]),
    );
  const offer = { siteId: 'lost', source: 'nobody', actor: 'op', orgId: scene.orgId };
  await say({ is: 'offer', ...offer, paused: false, generation: 0, runs: 0 });
  await say({ is: 'own' });
  await becomes(async () => (await rows(to, `SELECT state FROM arrivals`))[0]?.['state'], 'here');
  await say({ is: 'receipts', receipts: [{ receipt: { ...receipt, site_id: 'lost' }, parts: [] }] });
  await becomes(() => to.got.map(({ receiptId }) => receiptId), [id]);
});
