import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { preferred } from '../../edge-worker/src/relay/lanes.ts';
import { eventually } from '../eventually.ts';
import { Cable } from '../faults/cable.ts';
import { choosePorts } from '../sandbox/ports.ts';
import { Part } from '../sandbox/processes/part.ts';
import { answers } from '../sandbox/processes/polling.ts';
import { type Answer, withSystem } from './harness/system.ts';

const LANES = 2;
const system = withSystem();
let cable: Cable;

/** The demo orchestrator with two lanes, both through a cable that a test can cut. */
beforeAll(async () => {
  const { sandbox } = system();
  await sandbox.stopPart('orchestrator');
  cable = await Cable.open();
  cable.plugIn(sandbox.layout.ports.edge);
  const { env, ...spec } = sandbox.spec('orchestrator');
  const part = new Part(
    {
      ...spec,
      env: { ...env, EDGE_URL: cable.url, LANES: String(LANES) },
      isUp: () => answers(`${system().file.orchestratorUrl}/ready`),
    },
    { changed: () => undefined, revived: () => undefined },
  );
  await part.start();
  await lanesOpen();
  return async () => {
    await part.stop();
    await cable.close();
  };
});

interface Health {
  readonly channel: {
    readonly state: string;
    readonly lanes: { readonly lane: number; readonly state: string; readonly reason?: string }[];
  };
}
const healthOf = async (url = system().file.orchestratorUrl) =>
  (await (await fetch(`${url}/health`)).json()) as Health;

const lanesOpen = (url?: string) =>
  eventually(
    'both lanes are open',
    () => healthOf(url),
    ({ channel }) => channel.state === 'open' && channel.lanes.every(({ state }) => state === 'open'),
  );

/** A site whose requests prefer that lane. @returns how to ask it, once the edge knows its routes */
async function siteOn(lane: number): Promise<(path: string, init?: RequestInit) => Promise<Answer>> {
  const { relayUrl, upstreamUrl } = system().file;
  const names = Array.from({ length: 50 }, (_, n) => `lane-${lane}-shop-${n}-${sites++}`);
  const id = names.find((name) => preferred(name, LANES)[0] === lane);
  if (id === undefined) throw new Error('no name prefers this lane');
  expect((await system().api('/api/v1/sites', { body: { id } })).status).toBe(201);
  const config = { routes: [{ path: '/*', upstream: new URL(upstreamUrl).origin, offline: 'unavailable' }] };
  const taken = await system().act('update_config', { base: 0, config }, { siteId: id });
  expect(await system().finished(taken.json.data.commandId)).toMatchObject({ state: 'succeeded' });
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${relayUrl}/s/${id}${path}`, {
      ...init,
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
  };
  // The first one goes to lane 0, and has the routes loaded behind it.
  for (let n = 0; n < 10; n++) await ask('/echo');
  return ask;
}
let sites = 0;

const times = <T>(n: number, work: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => work(index)));
const statuses = (all: readonly Answer[]) => [...new Set(all.map(({ status }) => status))];

test('S13: both lanes are joined, and /health and get_status show the second', async () => {
  const { channel } = await lanesOpen();
  expect(channel.lanes).toMatchObject([{ lane: 1, state: 'open' }]);
  const { json } = await system().act('get_status', {});
  expect(json.data.orchestrator).toMatchObject({ lanes: 2, otherLanes: [{ lane: 1, state: 'open' }] });
});

test('a lane that is cut under load loses its own requests alone, and of those a GET is asked again elsewhere', async () => {
  const [onZero, onOne] = [await siteOn(0), await siteOn(1)];
  const log = async () =>
    ((await (await fetch(`${system().file.upstreamUrl}/_log`)).json()) as { path: string }[]).filter(
      ({ path }) => path.includes('/cut/'),
    );
  const others = times(8, (n) => onZero(`/slow/1500?${n}`, { method: 'POST', body: 'x' }));
  const gets = times(8, (n) => onOne(`/slow/1500?${n}`));
  const posts = times(8, (n) => onOne(`/webhooks/cut/slow/${1_500 + n}`, { method: 'POST', body: 'x' }));
  await eventually('the POSTs are at the upstream', log, (all) => all.length === 8);
  cable.hold(1);
  expect(statuses(await posts)).toEqual([502]);
  const after = await times(50, (n) => onOne(`/echo/${n}`, { method: 'POST', body: 'x' }));
  expect(statuses(after), 'while the lane is down').toEqual([200]);
  expect(statuses(await gets)).toEqual([200]);
  expect(statuses(await others)).toEqual([200]);
  expect(await log(), 'no POST was repeated').toHaveLength(8);
  cable.mend();
  await lanesOpen();
});

test('while lane 0 is down requests and live status go over the other, and a command waits for it', async () => {
  const [onZero, onOne] = [await siteOn(0), await siteOn(1)];
  cable.hold(0);
  await eventually(
    'lane 0 is down',
    () => healthOf(),
    ({ channel }) => channel.state === 'waiting',
  );
  expect(statuses(await times(20, () => onZero('/echo', { method: 'POST', body: 'x' })))).toEqual([200]);
  expect(statuses(await times(20, () => onOne('/echo')))).toEqual([200]);
  expect((await system().act('get_status', {})).status).toBe(200);
  const { generation } = await system().config();
  const patch = { worker: { vars: { EDITED: String(generation) } } };
  const taken = await system().act('update_config', { base: generation, patch });
  const { commandId } = taken.json.data;
  expect((await system().api(`/api/v1/commands/${commandId}`)).json.state).toBe('queued');
  cable.mend();
  expect(await system().finished(commandId)).toMatchObject({ state: 'succeeded' });
  await lanesOpen();
});

test('S13: a newer process ends the older one’s sessions on all lanes', async () => {
  const onOne = await siteOn(1);
  const { sandbox, file } = system();
  const { env, ...spec } = sandbox.spec('orchestrator');
  const dir = join(sandbox.layout.dir, 'clone');
  cpSync(env['DATA_DIR'] ?? '', dir, { recursive: true });
  const { orchestrator: port } = (await choosePorts(dir, {}, Math.random)).ports;
  const url = `http://127.0.0.1:${port}`;
  const clone = new Part(
    {
      ...spec,
      env: { ...env, LANES: String(LANES), PORT: String(port), DATA_DIR: dir },
      output: { file: join(sandbox.layout.dir, 'logs/clone.log') },
      isUp: () => answers(`${url}/ready`),
    },
    { changed: () => undefined, revived: () => undefined },
  );
  onTestFinished(() => clone.stop());
  await clone.start();
  const older = await eventually(
    'the older one has lost all lanes',
    () => healthOf(file.orchestratorUrl),
    ({ channel }) => channel.state === 'refused' && channel.lanes[0]?.state === 'refused',
  );
  expect(older.channel.lanes[0]?.reason).toMatch(/newer process/);
  await lanesOpen(url);
  expect(statuses(await times(20, () => onOne('/echo')))).toEqual([200]);
});
