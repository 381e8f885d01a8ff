import type { Command, Deployment } from '@clawdbot/protocol';
import { expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();

/** A Worker that says its version and what it was given. */
const worker = (name: string, text: string, more: object = {}) => ({
  name,
  mainModule: 'index.js',
  modules: {
    'index.js': `export default {
      fetch: (_request, env) => new Response('${text} ' + (env.KEY ?? ''), {
        headers: { 'Worker-Version': env.CF_VERSION_METADATA.id },
      }),
    };`,
  },
  compatibilityDate: '2026-01-01',
  ...more,
});
const gradual = (bakeMs: number) => ({
  type: 'gradual',
  steps: [10, 100],
  bakeMs,
  healthCheck: { path: '/', status: 200, maxErrorRate: 0 },
});

const give = async (action: string, payload: object): Promise<string> => {
  const { json } = await system().act(action, payload);
  return json.data.commandId;
};
const done = async (action: string, payload: object): Promise<Command> =>
  system().finished(await give(action, payload));
const listed = async (name: string): Promise<Deployment[]> =>
  (await system().api(`/api/v1/deployments?name=${name}`)).json.items;
const textOf = async (command: Command): Promise<string> =>
  (await fetch((command.result as { url: string }).url)).text();

test('a rollout goes on where it was when the orchestrator is killed, and can be rolled back by hand', async () => {
  const first = await done('deploy_worker', worker('staged', 'one'));
  const commandId = await give('deploy_worker', worker('staged', 'two', { strategy: gradual(1_500) }));
  await eventually(
    'a tenth of the traffic',
    () => listed('staged'),
    ([newest]) => newest?.percentage === 10,
  );
  system().kill('orchestrator');
  const second = await system().finished(commandId);
  expect(second).toMatchObject({ state: 'succeeded', result: { proof: 'observed' } });
  expect(await textOf(second)).toBe('two ');
  const [newest, oldest] = await listed('staged');
  expect(newest).toMatchObject({ commandId, percentage: 100, receipts: { observed: {}, accepted: {} } });
  expect(oldest).toMatchObject({ commandId: first.id, proof: 'observed' });

  const back = await done('rollback_worker', { name: 'staged' });
  expect(back.result).toMatchObject({ versionId: oldest?.versionId, proof: 'observed' });
  expect(await textOf(back)).toBe('one ');
});

test('the next deployment of a Worker waits in sight, gives way to a newer one, and cancelling rolls back', async () => {
  const one = await done('deploy_worker', worker('queue', 'one'));
  const rolling = await give('deploy_worker', worker('queue', 'two', { strategy: gradual(60_000) }));
  await eventually(
    'the rollout',
    () => listed('queue'),
    ([newest]) => newest?.percentage === 10,
  );
  const waiting = await give('deploy_worker', worker('queue', 'three'));
  const command = async (): Promise<Command> => (await system().api(`/api/v1/commands/${waiting}`)).json;
  const { milestones } = await eventually('the wait', command, (it) => it.milestones.length > 0);
  expect(milestones).toMatchObject([{ milestone: 'waiting', detail: expect.stringContaining(rolling) }]);
  const newer = await give('deploy_worker', worker('queue', 'four'));
  expect(await system().finished(waiting)).toMatchObject({ state: 'cancelled', reason: 'superseded' });

  await system().api(`/api/v1/commands/${rolling}/cancel`, { method: 'POST' });
  const { versionId } = one.result as { versionId: string };
  const cancelled = await system().finished(rolling);
  expect(cancelled).toMatchObject({ state: 'cancelled' });
  expect(cancelled.reason).toContain(`rolled back: 100 % to ${versionId}`);
  expect(await textOf(await system().finished(newer))).toBe('four ');
});

test('a Worker gets its site’s secrets by reference, and none that is not set', async () => {
  const { siteId } = system().file;
  const asked = worker('keyed', 'key', { secrets: { KEY: 'worker-key' } });
  const refused = await system().act('deploy_worker', asked);
  expect([refused.status, refused.json.error]).toEqual([
    400,
    expect.stringContaining('payload.secrets.KEY: the secret "worker-key" is not set'),
  ]);
  const path = `/api/v1/sites/${siteId}/secrets/worker-key`;
  await system().api(path, { method: 'PUT', body: { value: 'hidden' } });
  const deployed = await done('deploy_worker', asked);
  expect(await textOf(deployed)).toBe('key hidden');
  expect(JSON.stringify(deployed)).not.toContain('hidden');
});

/** A Worker that is well whenever it is asked, and sends each lead to this path of the site. */
const forwarding = (path: string, more: object = {}) => ({
  ...worker('leads', '', more),
  modules: {
    'index.js': `export default {
      async fetch(request, { SITE, CF_VERSION_METADATA: { id } }) {
        const headers = { 'Worker-Version': id };
        if (new URL(request.url).pathname === '/health') return new Response('', { headers });
        const sent = { 'X-Orchestrator-Worker-Version': id };
        const { status } = await fetch(SITE + '${path}', { method: 'POST', body: 'lead', headers: sent });
        return new Response('', { status, headers });
      },
    };`,
  },
  vars: { SITE: `${system().file.relayUrl}/s/${system().file.siteId}` },
});

test('a version whose leads fail behind the relay is rolled back by the edge’s counts, although its probes are fine', async () => {
  const { versionId: older, url } = (await done('deploy_worker', forwarding('/leads/echo'))).result as {
    versionId: string;
    url: string;
  };
  const healthCheck = { path: '/health', status: 200, maxErrorRate: 0.1 };
  const strategy = { type: 'gradual', steps: [50, 100], bakeMs: 20_000, healthCheck };
  const newer = await give('deploy_worker', forwarding('/leads/status/422', { strategy }));
  const failed = new Set<string | null>();
  let isOver = false;
  const customer = async () => {
    while (!isOver) {
      const { status, headers } = await fetch(`${url}/lead`, { method: 'POST' });
      if (status !== 200) failed.add(headers.get('worker-version'));
    }
  };
  const customers = Promise.all([customer(), customer()]);
  const { state, error, milestones } = await system().finished(newer);
  isOver = true;
  await customers;
  expect(failed.size).toBe(1);
  expect(failed).not.toContain(older);
  expect([state, error?.message]).toEqual([
    'failed',
    expect.stringMatching(
      /^\d+ of \d+ relayed requests of the new version failed \(the version before: 0 of \d+\), and .* may fail; (\d+) of \1 probes were fine; rolled back: 100 % to /,
    ),
  ]);
  expect(milestones.find(({ milestone }) => milestone === 'undoing')?.detail).toMatch(
    /^\d+ of \d+ relayed requests/,
  );
  expect((await listed('leads'))[0]?.error).toBe(error?.message);
  expect((await fetch(`${url}/lead`, { method: 'POST' })).headers.get('worker-version')).toBe(older);
});
