import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import {
  LIVE_PROBE_EVERY_BYTES,
  LIVE_PROBE_TIMEOUT_MS,
  LIVE_UNPROVEN_BYTES_MAX,
  type LiveUpdate,
  orchestratorCodec,
} from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { helloOf } from '../channel/channel.fixture.ts';
import { ChannelKeyPair, CONSOLE, edge, fresh, Tenant, userToken } from '../edge.fixture.ts';
import { commandOf, Dashboard, eventsTo } from './hub.fixture.ts';
import { DASHBOARD_HEADER, type HubUpdate } from './rpc.ts';

let tenant: Tenant;
let vps = '';
beforeEach(async () => {
  vps = fresh('vps');
  tenant = await Tenant.create(vps);
});

const connect = (query = '') =>
  edge(`${CONSOLE}/live${query}`, {
    headers: { upgrade: 'websocket', authorization: `Bearer ${userToken(tenant.orgId, 'viewer')}` },
  });
const hub = () => env.HUB.getByName(tenant.orgId);
/** The cast: the binding is typed by what may be asked, not by its class. */
const object = () => hub() as unknown as DurableObjectStub;
/** Later than what the Channel object itself has said. */
const publish = (state: 'online' | 'away' | 'draining', more: Partial<HubUpdate> = {}) =>
  hub().publish({ orchestratorId: vps, at: Date.now() + 10_000, presence: { state }, ...more });

/** The orchestrator joins by the front door: its token, its socket, its hello. */
async function join(): Promise<WebSocket> {
  const key = await ChannelKeyPair.enrol(vps);
  const { webSocket } = await edge(`${CONSOLE}/channel?lane=0`, {
    headers: {
      upgrade: 'websocket',
      'sec-websocket-protocol': 'orchestrator.v1',
      authorization: `Bearer ${key.token()}`,
    },
  });
  if (webSocket === null) throw new Error('refused');
  webSocket.accept();
  webSocket.send(`[${orchestratorCodec.encode(helloOf(vps))}]`);
  return webSocket;
}

const says = (state: string) => (update: LiveUpdate) =>
  update.orchestrators.some(({ id, presence }) => id === vps && presence.state === state);

async function snapshotOf(dashboard: Dashboard) {
  const message = await dashboard.next();
  if (message.type !== 'snapshot') throw new Error(`expected a snapshot, got ${message.type}`);
  return message;
}

describe('a dashboard', () => {
  it('is first told all of its organisation’s orchestrators, and no other’s', async () => {
    await Tenant.create(fresh('vps'));
    const dashboard = new Dashboard(await connect());
    expect(await dashboard.next()).toMatchObject({
      type: 'snapshot',
      position: expect.any(Number),
      orchestrators: [{ id: vps, presence: { state: 'never' } }],
      commands: [],
      events: [],
    });
    dashboard.close();
  });

  it('is told what changes, at a higher position', async () => {
    const dashboard = new Dashboard(await connect());
    const { position } = await dashboard.next();
    const orchestrator = await join();
    const update = await dashboard.update(says('online'));
    expect(update.position).toBeGreaterThan(position);
    orchestrator.close(1000, '');
    expect((await dashboard.update(says('away'))).position).toBeGreaterThan(update.position);
    dashboard.close();
  });

  it('is told first how it is now, though nobody watched when that changed', async () => {
    await hub().publish({ orchestratorId: vps, presence: { state: 'online' }, at: 1 });
    const dashboard = new Dashboard(await connect());
    expect((await dashboard.next()).orchestrators[0]?.presence.state).toBe('never');
    dashboard.close();
  });

  it('is shown the orchestrators of the last time while D1 fails', async () => {
    const before = new Dashboard(await connect());
    const { orchestrators } = await snapshotOf(before);
    const claims = JSON.stringify({ exp: Math.floor(Date.now() / 1_000) + 60 });
    const dashboard = new Dashboard(
      await object().fetch('https://hub/', { headers: { upgrade: 'websocket', [DASHBOARD_HEADER]: claims } }),
    );
    expect((await snapshotOf(dashboard)).orchestrators.map(({ id }) => id)).toEqual(
      orchestrators.map(({ id }) => id),
    );
    for (const each of [before, dashboard]) each.close();
  });

  it('keeps its socket, and the Hub what it knows, through hibernation', async () => {
    const dashboard = new Dashboard(await connect());
    await snapshotOf(dashboard);
    await publish('draining');
    const { position } = await dashboard.update(says('draining'));
    await evictDurableObject(object(), { webSockets: 'hibernate' });
    await publish('away', { at: Date.now() + 20_000 });
    expect((await dashboard.update(says('away'))).position).toBe(position + 1);
    dashboard.close();
  });

  it('that was away continues from its position, and is told all that changed since, once', async () => {
    const dashboard = new Dashboard(await connect());
    const { stream } = await snapshotOf(dashboard);
    await publish('online', { events: eventsTo(vps, 2), commands: [commandOf(vps, 1, 'queued', 1)] });
    const { position } = await dashboard.update(says('online'));
    dashboard.close();
    await publish('online', { events: eventsTo(vps, 5), commands: [commandOf(vps, 1, 'running', 2)] });
    const back = new Dashboard(await connect(`?stream=${stream}&after=${position}`));
    expect(await back.next()).toEqual({
      type: 'update',
      position: position + 1,
      orchestrators: [],
      commands: [commandOf(vps, 1, 'running', 2)],
      moves: [],
      events: eventsTo(vps, 5)?.items.slice(2),
      missed: 0,
    });
    back.close();
  });

  it.each([
    '?stream=abcd&after=0',
    '?after=1',
    '?stream=%0d%0a&after=1',
    '?stream=abcd&after=-1',
    '?stream=abcd',
  ])('that asks for what cannot be continued (%s) takes the snapshot', async (query) => {
    const dashboard = new Dashboard(await connect(query));
    await snapshotOf(dashboard);
    dashboard.close();
  });

  it('is told how many events were too many to be told', async () => {
    const dashboard = new Dashboard(await connect());
    await snapshotOf(dashboard);
    await publish('online', { events: eventsTo(vps, 1) });
    await dashboard.update(({ events }) => events.length === 1);
    await publish('online', { events: eventsTo(vps, 251) });
    const { events, missed } = await dashboard.update((update) => update.events.length > 0);
    expect({ told: events.length, missed }).toEqual({ told: 100, missed: 150 });
    dashboard.close();
  });

  it('that joins between two updates is told each event once', async () => {
    const first = new Dashboard(await connect());
    await snapshotOf(first);
    await publish('online', { events: eventsTo(vps, 1) });
    await publish('online', { events: eventsTo(vps, 2) });
    const second = new Dashboard(await connect());
    const told = (await snapshotOf(second)).events.map(({ id }) => id);
    await publish('away', { events: eventsTo(vps, 3) });
    while (told.length < 3) told.push(...(await second.next()).events.map(({ id }) => id));
    expect(told).toEqual(eventsTo(vps, 3)?.items.map(({ id }) => id));
    for (const dashboard of [first, second]) dashboard.close();
  });

  it('is answered when it closes', async () => {
    const dashboard = new Dashboard(await connect());
    await dashboard.next();
    dashboard.close(1000, 'bye');
    expect(await dashboard.closed).toEqual({ code: 1000, reason: 'bye' });
  });

  it('whose token has expired is closed with 4401 at the next update', async () => {
    const claims = JSON.stringify({ exp: Math.floor(Date.now() / 1_000) - 61, orchestrators: [vps] });
    const dashboard = new Dashboard(
      await object().fetch('https://hub/', { headers: { upgrade: 'websocket', [DASHBOARD_HEADER]: claims } }),
    );
    await publish('online');
    expect((await dashboard.closed).code).toBe(4401);
  });

  it('that reads nothing is closed with 4429, and one that answers probes is told everything', async () => {
    const deaf = new Dashboard(await connect(), { answers: false });
    const dashboard = new Dashboard(await connect());
    await snapshotOf(dashboard);
    const bytes = LIVE_UNPROVEN_BYTES_MAX / 10;
    for (let last = 1; last <= 12; last++) {
      const items = eventsTo(vps, last, bytes)?.items.slice(-1) ?? [];
      await publish('online', { events: { items, last } });
      await dashboard.update(({ events }) => events.length > 0);
    }
    const { code, reason } = await deaf.closed;
    expect({ code, reason }).toEqual({ code: 4429, reason: expect.stringContaining('too slow') });
    dashboard.close();
  });

  it('that owes an answer is looked at again in 15 s, though nothing more is sent to it', async () => {
    const deaf = new Dashboard(await connect(), { answers: false });
    await snapshotOf(deaf);
    await publish('online', { events: eventsTo(vps, 2, LIVE_PROBE_EVERY_BYTES / 2) });
    await deaf.update(says('online'));
    const alarm = await runInDurableObject(object(), (_, { storage }) => storage.getAlarm());
    expect(alarm).toBeLessThanOrEqual(Date.now() + LIVE_PROBE_TIMEOUT_MS);
    deaf.close();
  });

  it('may say what it likes, but not much of it', async () => {
    const dashboard = new Dashboard(await connect());
    await snapshotOf(dashboard);
    for (const text of ['hello', '{"type":"probe","n":7}', '{"type":"probe"}', '[]']) dashboard.say(text);
    await publish('online');
    await dashboard.update(says('online'));
    dashboard.say('x'.repeat(1_025));
    expect((await dashboard.closed).code).toBe(4413);
  });
});

describe('the Hub', () => {
  /** How often the Channel objects have been told that someone watches. */
  const watched = () =>
    runInDurableObject(
      object(),
      (_, { storage }) =>
        storage.sql.exec<{ at: number }>('SELECT watched_at AS at FROM orchestrators').one().at,
    );
  const pretend = (watchedAt: number) =>
    runInDurableObject(object(), (_, { storage }) => {
      storage.sql.exec('UPDATE orchestrators SET watched_at = ?', watchedAt);
    });

  it('tells Channels again while someone watches, and stops when nobody does', async () => {
    const dashboard = new Dashboard(await connect());
    await snapshotOf(dashboard);
    const before = Date.now() - 40_000;
    await pretend(before);
    await evictDurableObject(object(), { webSockets: 'hibernate' });
    expect(await runDurableObjectAlarm(object())).toBe(true);
    expect(await watched()).toBeGreaterThan(before);
    dashboard.close();
    await dashboard.closed;
    expect(await runDurableObjectAlarm(object())).toBe(true);
    expect(await runDurableObjectAlarm(object())).toBe(false);
  });

  it('begins a new stream when nobody watched for long: what ended meanwhile was told to nobody', async () => {
    const dashboard = new Dashboard(await connect());
    const { stream } = await snapshotOf(dashboard);
    await publish('online', { commands: [commandOf(vps, 1, 'running', 1)] });
    const { position } = await dashboard.update(says('online'));
    dashboard.close();
    await pretend(Date.now() - 100_000);
    await evictDurableObject(object(), { webSockets: 'hibernate' });
    const back = new Dashboard(await connect(`?stream=${stream}&after=${position}`));
    const snapshot = await snapshotOf(back);
    expect(snapshot.stream).not.toBe(stream);
    expect(snapshot.commands).toEqual([]);
    back.close();
  });

  it('gives everyone the snapshot again when an orchestrator’s Channel went untold for long', async () => {
    const dashboard = new Dashboard(await connect());
    const { stream } = await snapshotOf(dashboard);
    await publish('online', { commands: [commandOf(vps, 1, 'running', 1)] });
    await dashboard.update(says('online'));
    await pretend(Date.now() - 100_000);
    await evictDurableObject(object(), { webSockets: 'hibernate' });
    await runDurableObjectAlarm(object());
    expect((await snapshotOf(dashboard)).stream).not.toBe(stream);
    dashboard.close();
  });
});
