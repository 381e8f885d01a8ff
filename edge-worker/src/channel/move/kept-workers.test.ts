import { describe, expect, it } from 'vitest';
import { channelOf, value } from '../channel.fixture.ts';
import { command, deploy, from, ordered, ownScene, rows, scene, siteId, to } from './luggage.fixture.ts';
import { becomes } from './scene.fixture.ts';
import type { Vps } from './vps.fixture.ts';

ownScene('workers');

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
