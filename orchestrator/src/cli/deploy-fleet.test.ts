import { expect, it } from 'vitest';
import { type Answer, clawctl, folder, passing } from './clawctl.fixture.ts';
import type { Io } from './io.ts';

const PAYLOAD = {
  name: '{site}-tag',
  mainModule: 'a.js',
  modules: { 'a.js': '' },
  compatibilityDate: '2026-01-01',
  vars: { SITE: '{site}' },
};
const file = (payload: object = PAYLOAD) =>
  `${folder({ 'payload.json': JSON.stringify(payload) })}/payload.json`;
const site = (id: string) => ({
  ...{ id, orgId: 'org', orchestratorId: 'vps-1', name: id, labels: {}, hostnames: [], paused: false },
  createdAt: 1,
});
const idOf = (siteId: string) => `cmd_vps-1_${siteId.padStart(22, '0')}`;

/** An edge with these sites, of which each one's deployment ends so. */
function edgeOf(sites: readonly string[], endOf: (siteId: string) => object): Record<string, Answer[]> {
  const commands = sites.map((siteId): [string, Answer[]] => [
    `GET /api/v1/commands/${idOf(siteId)}`,
    [
      () => ({
        ...{ id: idOf(siteId), type: 'deploy_worker', siteId, orchestratorId: 'vps-1' },
        ...{ createdAt: 1, createdBy: 'x', history: [], milestones: [], ...endOf(siteId) },
      }),
    ],
  ]);
  return {
    'GET /api/v1/sites': [({ url }) => pageOf(sites, new URL(url).searchParams.get('after'))],
    'POST /api/v1/orchestrator': [
      ({ body }) => ({
        success: true,
        data: { commandId: idOf((body as { siteId: string }).siteId), state: 'queued' },
        timestamp: '2026-11-01T10:00:00Z',
      }),
    ],
    ...Object.fromEntries(commands),
  };
}
/** Two a page. */
function pageOf(sites: readonly string[], after: string | null) {
  const at = after === null ? 0 : sites.indexOf(after) + 1;
  const shown = sites.slice(at, at + 2);
  return { items: shown.map(site), next: at + 2 < sites.length ? shown.at(-1) : null };
}
const succeeded = {
  state: 'succeeded',
  result: {
    ...{ deploymentId: 'd', versionId: 'v', url: 'http://w', proof: 'observed' },
    receipts: { intended: { at: 1 } },
  },
};
const failed = { state: 'failed', error: { code: 'deploy_failed', message: 'no' } };
const SITES = ['one', 'two', 'three', 'four', 'five'];

it('every site with the labels gets a Worker of its own name, no faster than the rate', async () => {
  const clock = passing();
  const args = ['fleet', file(), '--label', 'tier=gold', '--rate', '60', '--at-once', '1'];
  const began = clock.now();
  const { seen, error, out } = await clawctl(
    args,
    edgeOf(SITES, () => succeeded),
    clock,
  );
  expect(error).toBeUndefined();
  expect(out).toBe('5 of 5 sites deployed, 5 of them observed; 0 failed, 0 not begun');
  expect(seen[0]?.url).toContain('label=tier%3Agold');
  const given = seen.filter(({ method }) => method === 'POST');
  expect(given.map(({ body }) => body)).toMatchObject(
    SITES.map((siteId) => ({ siteId, payload: { name: `${siteId}-tag`, vars: { SITE: siteId } } })),
  );
  expect(given.map(({ headers }) => headers.get('idempotency-key'))).toEqual(
    SITES.map((siteId) => `fleet-id-1-${siteId}`),
  );
  expect(clock.now() - began).toBeGreaterThanOrEqual(4_000);
});

it('without a label it goes to every site only behind a yes', async () => {
  const run = (args: string[], more: Partial<Io> = {}) =>
    clawctl(
      [...args, 'fleet', file()],
      edgeOf(SITES, () => succeeded),
      { ...passing(), ...more },
    );
  const refused = [await run([]), await run(['--json']), await run([], { ask: async () => 'no' })];
  expect(refused.map(({ error }) => String(error))).toEqual([
    expect.stringMatching(/without --label this deploys to all 5 sites: say --yes/),
    expect.stringMatching(/say --yes/),
    expect.stringMatching(/nothing was changed/),
  ]);
  expect(refused.flatMap(({ seen }) => seen).filter(({ method }) => method === 'POST')).toEqual([]);
  const args = ['fleet', file(), '--yes'];
  const { out } = await clawctl(
    args,
    edgeOf(SITES, () => succeeded),
    passing(),
  );
  expect(out).toMatch(/^5 of 5 sites deployed/);
});

it('nothing more is begun once too many have failed, and that is said', async () => {
  const edge = edgeOf(SITES, (siteId) => (siteId === 'one' ? succeeded : failed));
  const limits = ['--abort-min', '2', '--abort-share', '0.5', '--at-once', '1'];
  const { error, out, seen } = await clawctl(
    ['--json', 'fleet', file(), '--label', 'a=b', ...limits],
    edge,
    passing(),
  );
  expect(JSON.parse(out)).toMatchObject({ sites: 5, deployed: 1, failed: 2, notBegun: 2 });
  expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(3);
  expect(String(error)).toMatch(/too many have failed/);
});

it('one that fails below the threshold keeps no other from its deployment', async () => {
  const edge = edgeOf(SITES, (siteId) => (siteId === 'two' ? failed : succeeded));
  const { error, out } = await clawctl(['fleet', file(), '--label', 'a=b'], edge, passing());
  expect(out).toMatch(/^4 of 5 sites deployed.*1 failed, 0 not begun\ntwo +failed +no$/s);
  expect(String(error)).toMatch(/1 site has not got it/);
});

it('options that a payload’s file would go without are refused', async () => {
  const args = ['fleet', file(), '--label', 'a=b', '--secret', 'KEY=STRIPE'];
  const { error, seen } = await clawctl(
    args,
    edgeOf(SITES, () => succeeded),
    passing(),
  );
  expect([String(error), seen]).toEqual([
    expect.stringMatching(/put what the options say into the file/),
    [],
  ]);
});

it('a folder goes to each site by its own options, and what is not deployed of it is said', async () => {
  const root = folder({
    'index.js': 'export default {}',
    'wrangler.jsonc': '{ "placement": { "mode": "smart" } }',
  });
  const args = ['fleet', root, '--name', '{site}-x', '--route', '{site}.example/*', '--label', 'a=b'];
  const { seen, err } = await clawctl(
    args,
    edgeOf(SITES, () => succeeded),
    passing(),
  );
  expect(err).toContain('not deployed from wrangler’s config: placement');
  const given = seen.filter(({ method }) => method === 'POST').map(({ body }) => body);
  expect(given[1]).toMatchObject({ payload: { name: 'two-x', routes: ['two.example/*'] } });
});

it('a check gates each site’s deployment, so that the fleet can stop', async () => {
  const root = folder({ 'index.js': 'export default {}' });
  const args = ['fleet', root, '--name', '{site}-x', '--check', '/health', '--label', 'a=b'];
  const { seen } = await clawctl(
    args,
    edgeOf(SITES, () => succeeded),
    passing(),
  );
  const strategy = { type: 'gradual', steps: [100], healthCheck: { path: '/health', maxErrorRate: 0 } };
  const given = seen.filter(({ method }) => method === 'POST').map(({ body }) => body);
  expect(given).toMatchObject(SITES.map(() => ({ payload: { strategy } })));
});

it('an edge that is away for a while has ended no deployment', async () => {
  const edge = edgeOf(SITES, () => succeeded);
  const trouble = () => Response.json({ title: 'overloaded' }, { status: 503 });
  edge['POST /api/v1/orchestrator']?.unshift(trouble, trouble);
  for (const siteId of SITES) edge[`GET /api/v1/commands/${idOf(siteId)}`]?.unshift(trouble);
  const { error, out } = await clawctl(['fleet', file(), '--label', 'a=b'], edge, passing());
  expect(error).toBeUndefined();
  expect(out).toBe('5 of 5 sites deployed, 5 of them observed; 0 failed, 0 not begun');
});

it('of an edge that stays away nothing is claimed', async () => {
  const edge = edgeOf(SITES, () => ({ state: 'running' }));
  for (const siteId of SITES)
    edge[`GET /api/v1/commands/${idOf(siteId)}`] = [() => Response.json({}, { status: 503 })];
  const { error, out } = await clawctl(['fleet', file(), '--label', 'a=b'], edge, passing());
  expect(String(error)).toMatch(/it answered 503/);
  expect(out).toBe('');
});

it('nothing is begun when one of the sites cannot have its Worker', async () => {
  const sites = [...SITES, 's'.repeat(63)];
  const { error, seen } = await clawctl(
    ['fleet', file(), '--label', 'a=b'],
    edgeOf(sites, () => succeeded),
    passing(),
  );
  expect(String(error)).toMatch(/name: expected a Worker name/);
  expect(seen.filter(({ method }) => method === 'POST')).toEqual([]);
});

it.each([
  ['one name for all', { ...PAYLOAD, name: 'tag' }, /put \{site\} into/],
  [
    'one route for all',
    { ...PAYLOAD, routes: ['a.example/*'] },
    /would be at a\.example\/\*: put \{site\} into/,
  ],
  ['a payload that is none', { ...PAYLOAD, name: 'No Name' }, /name: expected a Worker name/],
])('nothing is begun with %s', async (_what, payload, message) => {
  const { error, seen } = await clawctl(
    ['fleet', file(payload), '--label', 'a=b'],
    edgeOf(SITES, () => succeeded),
  );
  expect(String(error)).toMatch(message);
  expect(seen.filter(({ method }) => method === 'POST')).toEqual([]);
});
