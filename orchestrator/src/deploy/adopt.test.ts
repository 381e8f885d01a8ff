import { beforeEach, expect, it } from 'vitest';
import { bench, commandOf, FIRST, ownBench } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';

const never = new AbortController().signal;
const LAST = 'version-2';

ownBench();
/** A Worker with two versions that somebody has made outside of this system. */
beforeEach(async () => {
  bench.cloudflare.serveBy(saying);
  bench.cloudflare.scripts.set('tracker', {
    versions: [LAST, 'version-1'].map((id) => ({ id, metadata: theirs, modules: {} })),
    deployments: [LAST, 'version-1'].map((id) => ({
      id: `deployment-of-${id}`,
      versions: [{ version_id: id, percentage: 100 }],
    })),
    routes: [],
  });
});
const theirs = {
  main_module: 'index.js',
  compatibility_date: '2026-01-01',
  bindings: [],
  keep_bindings: [],
  annotations: { 'workers/tag': '', 'workers/message': 'Deployed by hand' },
};
/** By a command of another orchestrator. */
const deployedFor = (siteId: string) => {
  const annotations = { 'workers/tag': '', 'workers/message': `clawdbot ${siteId} cmd_vps-2_1` };
  bench.script().versions.unshift({ id: 'version-3', metadata: { ...theirs, annotations }, modules: {} });
};
const writes = () => bench.cloudflare.calls.filter((call) => !/^(GET |probe)/.test(call));

it('a Worker is taken over as it is: told once, listed, and nothing of it changed', async () => {
  const result = await bench.adopt();
  expect(result).toMatchObject({
    versionId: LAST,
    deploymentId: `deployment-of-${LAST}`,
    url: 'https://tracker.agency.workers.dev',
    proof: 'observed',
  });
  expect(await bench.adopt()).toEqual(result);
  expect(writes()).toEqual([]);
  expect(bench.deployer().workers('site-1')).toMatchObject([
    { name: 'tracker', versionId: LAST, proof: 'observed', state: 'deployed' },
  ]);
  expect(bench.events).toMatchObject([
    { type: 'worker_deployment', siteId: 'site-1', data: { status: 'adopted', name: 'tracker' } },
  ]);
});

it('from then on it is watched for drift, rolled back and deployed like any other', async () => {
  await bench.adopt();
  expect(await bench.deployer().checkDrift(never)).toBe(false);
  await bench.rollback();
  expect(bench.serving()).toBe('version-1 100');
  expect((await bench.deploy({ commandId: commandOf(10) })).proof).toBe('observed');
});

it('one that was changed outside is taken with the change, and differs no more', async () => {
  await bench.adopt();
  bench.script().deployments.unshift({ id: 'new', versions: [{ version_id: 'version-1', percentage: 100 }] });
  await bench.deployer().checkDrift(never);
  expect(bench.deployer().workers()[0]?.drift).toBeDefined();
  await bench.adopt({ commandId: commandOf(9) });
  expect(bench.deployer().workers()).toMatchObject([{ versionId: 'version-1' }]);
  expect(bench.deployer().workers()[0]?.drift).toBeUndefined();
});

it('one without an address stays without one, also when it is rolled back', async () => {
  bench.script().isHidden = true;
  expect(await bench.adopt()).toMatchObject({ url: '', proof: 'accepted' });
  expect(await bench.rollback()).toMatchObject({ versionId: 'version-1', url: '', proof: 'accepted' });
  expect(writes()).toEqual(['POST deployments']);
});

it('one on a host name of the account’s own has that for its address', async () => {
  bench.script().isHidden = true;
  bench.cloudflare.domains.push(
    { id: '1', hostname: 'other.example', service: 'other' },
    { id: '1', hostname: 'shop.example', service: 'tracker' },
  );
  expect((await bench.adopt()).url).toBe('https://shop.example');
});

it('one that the site’s earlier orchestrator has deployed goes with the site', async () => {
  deployedFor('site-1');
  expect(await bench.adopt()).toMatchObject({ versionId: LAST, proof: 'observed' });
});

it('one of a site that was moved here keeps the version that it was deployed with: what was changed outside is drift', async () => {
  deployedFor('site-1');
  const taken = await bench.adopt({ deployed: { versionId: 'version-1' } });
  expect(taken).toMatchObject({ versionId: 'version-1', proof: 'accepted' });
  const [worker] = bench.deployer().workers('site-1');
  expect(worker).toMatchObject({
    versionId: 'version-1',
    drift: expect.stringContaining(`100 % to version ${LAST}`),
  });
  expect(bench.events.map(({ data }) => data['status'])).toEqual(['adopted', 'drifted']);
  expect(writes()).toEqual([]);
  await bench.adopt({ commandId: commandOf(9), deployed: { versionId: LAST } });
  expect(bench.deployer().workers('site-1')).toMatchObject([{ versionId: LAST, proof: 'observed' }]);
  expect(await bench.deployer().checkDrift(never)).toBe(false);
});

it('one of a site that was moved here goes on being looked at as before, and whoever moves it on is told that', async () => {
  const lookedAt = { path: '/health', status: 204 };
  await bench.adopt({ deployed: { versionId: LAST, lookedAt } });
  expect(bench.deployer().workers('site-1')).toMatchObject([{ lookedAt }]);
  await bench.rollback();
  await bench.deploy({ commandId: commandOf(10), health: { path: '/up', status: 200 } });
  expect(bench.events.map(({ data }) => data['lookedAt'])).toEqual([
    lookedAt,
    lookedAt,
    { path: '/up', status: 200 },
  ]);
});

const halfway = () => {
  const versions = ['version-1', LAST].map((version_id) => ({ version_id, percentage: 50 }));
  bench.script().deployments.unshift({ id: 'halfway', versions });
};
const ofAnother = () => bench.adopt({ siteId: 'site-2', commandId: FIRST });

it.each([
  ['one that is not there', { name: 'nobody' }, () => {}, 'not_found', /no Worker called nobody/],
  ['another site’s', {}, ofAnother, 'conflict', /another site/],
  ['one that another orchestrator has deployed', {}, () => deployedFor('site-2'), 'conflict', /another site/],
  [
    'one of a moved site whose orchestrator before had another account',
    { deployed: { versionId: 'version-9' } },
    () => {},
    'not_found',
    /not in this orchestrator's Cloudflare account/,
  ],
  [
    'the same, with no such name',
    { name: 'nobody', deployed: { versionId: LAST } },
    () => {},
    'not_found',
    /account of the orch/,
  ],
  ['one in the middle of a rollout', {}, halfway, 'conflict', /in the middle of a rollout/],
])('is refused, and leaves nothing: %s', async (_what, more, before, code, message) => {
  await before();
  const workers = bench.deployer().workers();
  bench.cloudflare.calls.length = 0;
  await expect(bench.adopt(more)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(bench.deployer().workers()).toEqual(workers);
  expect(writes()).toEqual([]);
});
