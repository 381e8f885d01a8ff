import { CONFIG_FAILURES_MAX, type Hello, type SiteConfigState } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, entry, errorOf, Peer, value } from './channel.fixture.ts';

const SITE = 'shop';
let count = 0;
let vps: string;
let seq: number;
beforeEach(async () => {
  vps = `reports-${++count}`;
  seq = 0;
  value(await channelOf(vps).putSite(SITE, { paused: false, orgId: 'org-1' }));
});

const route = (path: string) => ({ path, upstream: 'http://127.0.0.1:1' });
const edit = async (base: number, config: object = { routes: [route(`/${base + 1}`)] }) =>
  value(
    await channelOf(vps).updateConfig({
      siteId: SITE,
      actor: 'ada',
      payload: { base, config: config as never },
    }),
  );
const state = async (): Promise<SiteConfigState> => value(await channelOf(vps).config(SITE));
const paths = async () => value(await channelOf(vps).routes(SITE)).routes.map(({ path }) => path);

/** The VPS tells of this, and the edge has taken it. */
async function tell(peer: Peer, ...bodies: object[]): Promise<void> {
  peer.send(...bodies.map((body) => entry(++seq, body)));
  await peer.next('ack');
}
const taken = (commandId: string, generation: number, digest: string) => ({
  ...{ type: 'command_result', commandId, at: 1, state: 'succeeded' },
  result: { generation, digest },
});
const refused = (commandId: string) => ({
  ...{ type: 'command_result', commandId, at: 1, state: 'failed' },
  error: { code: 'config_refused', message: 'not allowed here' },
});

/** What a process says that has this number, and all of the edge's log that was sent to it. */
let edgeLog: { peerLogId?: string; applied: number };
beforeEach(() => {
  edgeLog = { applied: 0 };
});

async function dial(generation: number, sites: Hello['sites'] = []): Promise<Peer> {
  const peer = await Peer.greet(vps, {
    ...{ generation, instanceId: `process-${generation}`, sites },
    logs: { control: { logId: `log-of-${vps}`, oldest: 1, last: seq, ...edgeLog } },
  });
  edgeLog = { ...edgeLog, peerLogId: (await peer.next('welcome')).logs.control.logId };
  return peer;
}

/** The next config that is sent: acknowledged, and refused. */
async function refuse(peer: Peer): Promise<number> {
  const { seq: at, body } = await peer.next('entry');
  const { commandId, generation } = JSON.parse(body);
  edgeLog = { ...edgeLog, applied: at };
  peer.send({ type: 'ack', log: 'control', applied: at });
  await tell(peer, refused(commandId));
  return generation;
}

/** Is anything on its way to the VPS? */
const queued = async () => (await channelOf(vps).describe()).queues.control;

describe('a generation that the VPS takes', () => {
  it('L15: is applied from then on, and the routes here switch with the fact', async () => {
    const first = await edit(0);
    const peer = await dial(1);
    const { digest } = await state();
    await tell(peer, taken(first.commandId, 1, digest));
    const second = await edit(1);
    expect(await state()).toMatchObject({
      generation: 2,
      running: { generation: 1, digest },
      lastGood: { generation: 1 },
      applied: {
        relay: { state: 'pending', generation: 1 },
        edge: { state: 'pending', generation: 1 },
      },
    });
    expect(await paths()).toEqual(['/1']);
    await tell(peer, taken(second.commandId, 2, (await state()).digest));
    expect(await paths()).toEqual(['/2']);
    expect(await state()).toMatchObject({
      lastAttempt: { generation: 2, failures: 0 },
      lastGood: { generation: 2 },
      applied: { relay: { state: 'applied', generation: 2 }, edge: { state: 'applied', generation: 2 } },
    });
  });

  it('is not undone by the late result of an older one', async () => {
    const peer = await dial(1);
    const first = await edit(0);
    await peer.next('entry');
    const second = await edit(1);
    await peer.next('entry');
    const { digest } = await state();
    await tell(peer, taken(second.commandId, 2, digest));
    await tell(peer, taken(first.commandId, 1, 'a'.repeat(64)));
    expect(await state()).toMatchObject({ running: { generation: 2, digest } });
  });
});

describe('a generation that the VPS refuses', () => {
  it('is shown with its reason and its count, and what ran before is what runs', async () => {
    const first = await edit(0);
    const peer = await dial(1);
    const { digest } = await state();
    await peer.next('entry');
    await tell(peer, taken(first.commandId, 1, digest));
    await edit(1);
    await refuse(peer);
    const failure = { generation: 2, error: 'not allowed here', failures: 1 };
    expect(await state()).toMatchObject({
      running: { generation: 1 },
      lastGood: { generation: 1 },
      lastAttempt: failure,
      lastFailure: failure,
      applied: { relay: { state: 'refused', generation: 1, why: 'not allowed here' } },
    });
    expect(await paths()).toEqual(['/1']);
  });

  it('L15: is sent again to each process that comes after, thrice at the most, and not before it is edited', async () => {
    await edit(0);
    for (let process = 1; process <= CONFIG_FAILURES_MAX; process++) {
      expect((await state()).applied.relay.state).toBe(process === 1 ? 'pending' : 'refused');
      const peer = await dial(process);
      expect(await refuse(peer)).toBe(1);
    }
    expect((await state()).applied.relay).toMatchObject({ state: 'quarantined', why: 'not allowed here' });
    await dial(CONFIG_FAILURES_MAX + 1);
    expect(await queued()).toBe(0);
    await edit(1);
    expect([await queued(), (await state()).applied.relay.state]).toEqual([1, 'pending']);
  });

  it('is not sent again to a process that only dials again', async () => {
    await edit(0);
    await refuse(await dial(1));
    await dial(1);
    expect(await queued()).toBe(0);
  });

  it('is not sent again by a resync either, once it is quarantined: only what ran before is', async () => {
    const first = await edit(0);
    const peer = await dial(1);
    await peer.next('entry');
    await tell(peer, taken(first.commandId, 1, (await state()).digest));
    await edit(1);
    await refuse(peer);
    for (let process = 2; process <= CONFIG_FAILURES_MAX; process++) await refuse(await dial(process));
    await channelOf(vps).release();
    const emptied = await Peer.greet(vps, { instanceId: 'emptied-one', logs: { control: NEW_LOG } });
    expect(JSON.parse((await emptied.next('entry')).body)).toMatchObject({ generation: 1 });
    expect(await queued()).toBe(1);
  });
});

describe('L15: an edit that changes nothing', () => {
  const config = { routes: [route('/1')] };
  const generations = async () => value(await channelOf(vps).configHistory(SITE, 9)).items.length;

  it('makes no generation while the desired one is on its way, or runs', async () => {
    const first = await edit(0, config);
    expect(await edit(1, config)).toEqual({ ...first, unchanged: true });
    const peer = await dial(1);
    await peer.next('entry');
    await tell(peer, taken(first.commandId, 1, (await state()).digest));
    expect(await edit(1, config)).toEqual({ ...first, state: 'succeeded', unchanged: true });
    expect([await generations(), await queued()]).toEqual([1, 1]);
  });

  it('is refused on a stale base all the same', async () => {
    await edit(0, config);
    const payload = { base: 0, config: config as never };
    const { code } = errorOf(await channelOf(vps).updateConfig({ siteId: SITE, actor: 'ada', payload }));
    expect(code).toBe('stale_base');
  });

  it('is sent as a generation of its own when the desired one was refused or withdrawn', async () => {
    await edit(0, config);
    await refuse(await dial(1));
    const second = await edit(1, config);
    expect(second).toEqual({ ...second, generation: 2, state: 'queued' });
    expect(second.unchanged).toBeUndefined();
    value(await channelOf(vps).cancelCommand(second.commandId, 'ada'));
  });

  it('is sent when it is the first: the VPS knows nothing of the site yet', async () => {
    expect(await edit(0, {})).toMatchObject({ generation: 1, state: 'queued' });
  });
});

const NEW_LOG = { logId: 'log-of-the-new-one', oldest: 1, last: 0, applied: 0 };

describe('a new process on the same database', () => {
  it('L15: is sent only what differs from what it runs, by digest', async () => {
    value(await channelOf(vps).putSite('other', { paused: false, orgId: 'org-1' }));
    await edit(0);
    const { digest } = await state();
    const patch = { worker: { vars: { A: '1' } } };
    value(await channelOf(vps).updateConfig({ siteId: 'other', actor: 'ada', payload: { base: 0, patch } }));
    const peer = await dial(1);
    const both = [await peer.next('entry'), await peer.next('entry')];
    peer.send({ type: 'ack', log: 'control', applied: 2 });
    edgeLog = { ...edgeLog, applied: 2 };
    await tell(peer, ...both.map(({ body }) => refused(JSON.parse(body).commandId)));
    // Of the first it runs the very content, by whatever way it came there.
    const next = await dial(2, [{ siteId: SITE, generation: 9, digest }]);
    expect(JSON.parse((await next.next('entry')).body)).toMatchObject({ siteId: 'other', generation: 1 });
    expect(await queued()).toBe(1);
  });

  it('is not sent what was withdrawn', async () => {
    const { commandId } = await edit(0);
    value(await channelOf(vps).cancelCommand(commandId, 'ada'));
    expect((await state()).applied.relay).toMatchObject({ state: 'withdrawn', why: 'cancelled by ada' });
    const peer = await dial(1);
    const { seq: at } = await peer.next('entry');
    peer.send({ type: 'ack', log: 'control', applied: at });
    edgeLog = { ...edgeLog, applied: at };
    await expect.poll(queued).toBe(0);
    await dial(2);
    expect(await queued()).toBe(0);
  });
});
