import { expect, onTestFinished, test } from 'vitest';
import { eventually, timed } from '../eventually.ts';
import { Cable } from '../faults/cable.ts';
import { Part } from '../sandbox/processes/part.ts';
import { answers } from '../sandbox/processes/polling.ts';
import { type System, withSystem } from './harness/system.ts';

const system = withSystem();

/** Milliseconds from a part's return until requests cross again, after what `work` did to it. */
async function backAfter(part: 'edge' | 'orchestrator', work: (system: System) => void): Promise<number> {
  const { pids } = system().file;
  work(system());
  const pid = async () => system().file.pids[part];
  await eventually('it was started again', pid, (now) => now !== undefined && now !== pids[part]);
  return timed(() => system().works());
}

test('an orchestrator that was killed is connected again within 3 s of its return, without a hand', async () => {
  await system().works();
  expect(await backAfter('orchestrator', (it) => it.kill('orchestrator'))).toBeLessThan(3_000);
});

test('an edge that was killed is found again within 5 s of its return, without a hand', async () => {
  await system().works();
  expect(await backAfter('edge', (it) => it.kill('edge'))).toBeLessThan(5_000);
});

test('a request in flight when the orchestrator dies is answered 502 within 5 s, and not repeated', async () => {
  await system().works();
  // Its path is one that the upstream logs; its route keeps nothing.
  const { routes } = (await system().config()).config;
  const route = { ...routes[0], path: '/webhooks/slow/*', offline: 'unavailable' };
  expect((await system().configure({ routes: [route, ...routes] })).state).toBe('succeeded');
  const asked = system().relay('/webhooks/slow/20000', { method: 'POST', body: 'once' });
  const log = async () => (await fetch(`${system().file.upstreamUrl}/_log`)).json() as Promise<object[]>;
  await eventually('it has reached the upstream', log, (entries) => entries.length === 1);
  const took = await timed(async () => {
    system().kill('orchestrator');
    expect((await asked).status).toBe(502);
  });
  expect(took).toBeLessThan(5_000);
  await system().works();
  expect(await log()).toHaveLength(1);
});

test('while the orchestrator is away a request is answered 503, with an honest Retry-After', async () => {
  const { sandbox } = system();
  await sandbox.stopPart('orchestrator');
  const relayed = await system().relay('/echo');
  const asked = await system().act('get_status', {});
  expect([relayed.status, asked.status]).toEqual([503, 503]);
  for (const { headers } of [relayed, asked]) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await system().orchestrator()).presence.state).toBe('away');
  await sandbox.startPart('orchestrator');
  await system().works();
});

test('an upstream that is down is answered as such, and back when it is', async () => {
  const { sandbox } = system();
  await sandbox.stopPart('upstream');
  expect([502, 503]).toContain((await system().relay('/echo')).status);
  await sandbox.startPart('upstream');
  await system().works();
});

/** The demo orchestrator in place of the sandbox's own, its channel through a cable that a test can cut. */
async function throughCable(): Promise<Cable> {
  const { sandbox } = system();
  const { env, ...spec } = sandbox.spec('orchestrator');
  const cable = await Cable.open();
  cable.plugIn(sandbox.layout.ports.edge);
  const url = `http://127.0.0.1:${env['PORT']}`;
  const events = { changed: () => undefined, revived: () => undefined };
  const isUp = () => answers(`${url}/ready`);
  await sandbox.stopPart('orchestrator');
  const part = new Part({ ...spec, env: { ...env, EDGE_URL: cable.url }, isUp }, events);
  onTestFinished(async () => {
    await part.stop();
    await cable.close();
    await sandbox.startPart('orchestrator');
  });
  await part.start();
  return cable;
}

test('S9: a channel that is open and silent is found within 4 s of a call, and heals with the cable', async () => {
  const cable = await throughCable();
  await system().works();
  cable.swallow();
  const took = await timed(async () => expect((await system().relay('/echo')).status).toBe(502));
  expect(took).toBeGreaterThan(1_900);
  expect(took).toBeLessThan(5_000);
  expect((await system().orchestrator()).presence.state).toBe('away');
  expect((await system().relay('/echo')).status).toBe(503);
  cable.mend();
  await system().works();
});

test('S9: a customer of a stored request gets the receipt when the channel is silent, and it is delivered later', async () => {
  const cable = await throughCable();
  await system().works();
  cable.swallow();
  const asked = system().relay('/webhooks/lead', { method: 'POST', body: 'kept' });
  const took = await timed(async () => expect((await asked).status).toBe(202));
  expect(took).toBeLessThan(5_000);
  cable.mend();
  const id = (await asked).json.receiptId;
  const ask = async () => (await system().api(`/api/v1/receipts/${id}`)).json.state;
  await eventually('it is delivered', ask, (state) => state === 'delivered');
});
