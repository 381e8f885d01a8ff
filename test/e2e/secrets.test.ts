import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../orchestrator/src/clock.ts';
import { Backoff, createDial, Link } from '../../orchestrator/src/link/index.ts';
import { createTestLogs } from '../../orchestrator/src/link/logs.fixture.ts';
import { recordingLogger } from '../../orchestrator/src/log.fixture.ts';
import { eventually } from '../eventually.ts';
import { otherOrchestrator } from './harness/other.ts';
import { withSystem } from './harness/system.ts';

const VALUE = 'whsec_e2e_Zoë_0123456789';
const system = withSystem();
let link: Link;
let over: Promise<void>;

/** The product's own link, over the real channel, as the second organisation's orchestrator. */
beforeAll(() => {
  const played = otherOrchestrator(system());
  const { logs, resync } = createTestLogs({ clock: systemClock });
  const headers = () => ({ authorization: `Bearer ${played.token()}` });
  link = new Link({
    dial: createDial({ edgeUrl: system().file.edgeUrl, lane: 0, headers }),
    backoff: new Backoff({ random: () => 0, now: Date.now }),
    clock: systemClock,
    log: recordingLogger().log,
    services: {
      request: async () => ({ status: 204, headers: [], body: null }),
      report: () => Promise.reject(new Error('nobody asks')),
    },
    role: {
      ...{ kind: 'control', onApiBudget: () => {}, logs, resync },
      status: () => ({
        ...{ type: 'status', at: 1, version: '0', uptimeS: 0, sites: [], workers: [] },
        memory: { rssBytes: 1, heapUsedBytes: 1 },
        queues: { inbox: 0, outbox: 0, deadLetters: 0 },
        tunnel: { state: 'not_configured' },
      }),
      greeting: () => played.hello({ generation: 1, instanceId: 'played-process', logs: logs.positions() }),
    },
  });
  over = link.runUntilStopped();
});
afterAll(async () => {
  await link.stop(0);
  await over;
});

const fetched = (siteId: string) => link.edge.secret(siteId, 'SHOP_KEY', AbortSignal.timeout(15_000));
const put = (value: string) => {
  const { siteId, adminToken: token } = system().file.other;
  return system().api(`/api/v1/sites/${siteId}/secrets/SHOP_KEY`, { method: 'PUT', token, body: { value } });
};

/** Files of the whole system, databases and logs alike, in which the bytes of the value are. */
function filesWithValue(): string[] {
  const { dir } = system().sandbox.layout;
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return paths.filter((path) => readFileSync(path).includes(VALUE));
}

test('a secret reaches the orchestrator over its channel, outlives the edge, and lies nowhere as it is', async () => {
  const { siteId } = system().file.other;
  await expect(fetched(siteId)).rejects.toMatchObject({ code: 'secret_missing' });
  expect((await put('an older one')).status).toBe(201);
  const { version } = await fetched(siteId);
  expect((await put(VALUE)).status).toBe(204);
  expect(await fetched(siteId)).toEqual({ value: VALUE, version: version + 1 });

  const before = system().file.pids['edge'];
  system().kill('edge');
  await eventually(
    'the edge is back',
    async () => system().file.pids['edge'],
    (pid) => pid !== undefined && pid !== before,
  );
  expect((await fetched(siteId)).value).toBe(VALUE);
  expect(filesWithValue()).toEqual([]);
});

test('an orchestrator is given no secret of a site that is another’s', async () => {
  const { siteId } = system().file;
  const path = `/api/v1/sites/${siteId}/secrets/SHOP_KEY`;
  expect((await system().api(path, { method: 'PUT', body: { value: VALUE } })).status).toBe(201);
  await expect(fetched(siteId)).rejects.toMatchObject({ code: 'not_found' });
  expect((await system().api(path, { method: 'GET' })).status).toBe(404);
});
