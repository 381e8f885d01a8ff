import { beforeEach, expect, it } from 'vitest';
import { bench, commandOf, FIRST, ownBench } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';

let older: string;
let newer: string;

ownBench();
beforeEach(async () => {
  bench.cloudflare.serveBy(saying);
  older = (await bench.deploy({ commandId: FIRST })).versionId;
  newer = (await bench.deploy({ commandId: commandOf(2) })).versionId;
});

it('goes to the version that served everybody before, and proves it', async () => {
  const result = await bench.rollback();
  expect(result).toMatchObject({ versionId: older, proof: 'observed' });
  expect(bench.serving()).toBe(`${older} 100`);
  expect(bench.deployer().workers()).toMatchObject([{ versionId: older, state: 'deployed' }]);
  expect(bench.events.at(-1)?.data).toMatchObject({ status: 'deployed', versionId: older });
});

it('goes to any version that Cloudflare still deploys, and back again', async () => {
  await bench.rollback({ versionId: older });
  await bench.rollback({ commandId: commandOf(10), versionId: newer });
  expect(bench.serving()).toBe(`${newer} 100`);
});

it('in the middle of a rollout gives all traffic to the version that has most of it', async () => {
  const shares = [newer, older].map((id, at) => ({ version_id: id, percentage: [10, 90][at] ?? 0 }));
  bench.script().deployments.unshift({ id: 'halfway', versions: shares });
  await bench.rollback();
  expect(bench.serving()).toBe(`${older} 100`);
});

it.each([
  ['a version that serves everybody already', () => ({ versionId: newer }), /serves everybody already/],
  ['a version that is not there', () => ({ versionId: 'version-99' }), /none of the last 2/],
  ['a Worker that is not there', () => ({ name: 'nobody' }), /no Worker called nobody.*\(--site\)/],
  ['a Worker of another site', () => ({ siteId: 'site-2' }), /another site's.*\(--site\)/],
])('is refused with the reason: %s', async (_what, more, message) => {
  await expect(bench.rollback(more())).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(message),
  });
  expect(bench.serving()).toBe(`${newer} 100`);
  expect(
    bench
      .deployer()
      .workers()
      .map(({ state }) => state),
  ).toEqual(['deployed']);
});

it('asks for a version where none has served everybody before', async () => {
  bench.script().deployments.splice(1);
  await expect(bench.rollback()).rejects.toThrow(/has no earlier version.*\(--to\)/);
});

it('is refused across a migration of Durable Objects, which Cloudflare does not take back', async () => {
  const script = bench.script();
  script.versions = script.versions.map((version) =>
    version.id === newer ? { ...version, migrationTag: 'v2' } : version,
  );
  await expect(bench.rollback()).rejects.toThrow(/migration of Durable Objects \(none → v2\)/);
  expect(bench.serving()).toBe(`${newer} 100`);
});

it('is done once, although the database was restored and does not know that it was', async () => {
  await bench.rollback();
  const { length } = bench.script().deployments;
  bench.sql.run('DELETE FROM deployments WHERE command_id = ?', commandOf(9));
  const again = await bench.rollback({ again: true }, { resumed: true });
  expect(again).toMatchObject({ versionId: older, proof: 'observed' });
  expect(bench.serving()).toBe(`${older} 100`);
  expect(bench.script().deployments).toHaveLength(length);
});

it('that is cancelled brings back what served', async () => {
  bench.cloudflare.serveBy(() => {
    bench.cancel();
    throw new TypeError('fetch failed');
  });
  await expect(bench.rollback()).rejects.toThrow(/cancelled by an operator; rolled back/);
  expect(bench.serving()).toBe(`${newer} 100`);
  expect(bench.script().versions).toHaveLength(2);
});
