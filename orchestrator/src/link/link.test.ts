import {
  EMPTY_CONFIG,
  Failure,
  type FrameToOrchestrator,
  orchestratorCodec,
  sha256Of,
  TEXT_MESSAGE_BYTES_MAX,
} from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reply } from '../calls/index.ts';
import { systemClock } from '../clock.ts';
import { recordingLogger } from '../log.fixture.ts';
import { Backoff } from './backoff.ts';
import { TestEdge, until } from './edge.fixture.ts';
import { Link } from './link.ts';
import { createTestLogs } from './logs.fixture.ts';
import { createDial } from './socket.ts';
import type { LinkState } from './state.ts';

let edge: TestEdge;
let url: string;
let links: { link: Link; over: Promise<void> }[];
let answers: ((reply: Partial<Reply>) => void)[];

beforeEach(async () => {
  edge = new TestEdge();
  url = await edge.listen();
  links = [];
  answers = [];
});
afterEach(async () => {
  for (const { link, over } of links) {
    await link.stop(0);
    await over;
  }
  await edge.close();
});

/** A process's link over a new database, dialling at once after every end. */
function started() {
  const { logs, resync, outboxes, inboxes } = createTestLogs({ clock: systemClock });
  const { log } = recordingLogger();
  let tokens = 0;
  const memory = { rssBytes: 1, heapUsedBytes: 1 };
  const queues = { inbox: 0, outbox: 0, deadLetters: 0 };
  const link = new Link({
    dial: createDial({ edgeUrl: url, lane: 0, headers: () => ({ authorization: `Bearer ${++tokens}` }) }),
    backoff: new Backoff({ random: () => 0, now: Date.now }),
    clock: systemClock,
    log,
    services: {
      request: () =>
        new Promise((resolve) =>
          answers.push((reply) => resolve({ status: 200, headers: [], body: null, ...reply })),
        ),
      report: () => Promise.reject(new Failure('internal', 'not in this test')),
    },
    role: {
      ...{ kind: 'control', logs, resync, onApiBudget: () => {} },
      status: () => ({
        type: 'status',
        at: 1,
        version: '0',
        uptimeS: 0,
        memory,
        queues,
        sites: [],
        workers: [],
        tunnel: { state: 'not_configured' },
      }),
      greeting: () => ({
        type: 'hello',
        protocol: [1],
        orchestratorId: 'vps-1',
        lane: 0,
        lanes: 1,
        generation: 1,
        instanceId: 'instance-1',
        version: '0',
        capabilities: [],
        clockMs: 1,
        logs: logs.positions(),
        sites: [],
      }),
    },
  });
  const states: LinkState[] = [];
  link.state.subscribe((state) => states.push(state));
  links.push({ link, over: link.runUntilStopped() });
  return { link, outbox: outboxes.control, inbox: inboxes.control, logs, states };
}

const reached = (link: Link, kind: LinkState['kind']) => until(kind, () => link.state.value.kind === kind);

const entry = (seq: number): FrameToOrchestrator => ({
  type: 'entry',
  log: 'control',
  seq,
  at: 1,
  body: JSON.stringify({ type: 'withdrawn', commandId: 'cmd_vps-1_0000000000000000000001' }),
});
const request = (id: number): FrameToOrchestrator => ({
  type: 'request',
  id,
  target: 'upstream',
  siteId: 'site-1',
  method: 'GET',
  url: '/',
  headers: [],
  body: { kind: 'none' },
  requestId: 'r',
  deadlineMs: 5_000,
});

describe('Link: connecting', () => {
  it('dials, says hello and is open at the welcome; then the status comes', async () => {
    const { link, states } = started();
    const socket = await edge.welcomed(0);
    await socket.frame('status');
    expect(states.map(({ kind }) => kind)).toEqual(['connecting', 'greeting', 'open']);
    expect(link.state.value).toMatchObject({ fence: 1, sessionId: 'session-1' });
    await until('a round trip', () => link.rttMs !== undefined);
  });

  it('D3, D4: dials again with a fresh token after a 401', async () => {
    edge.refusals.push({ code: 'token_expired' }, { code: 'token_replayed' });
    started();
    expect((await edge.welcomed(0)).authorization).toBe('Bearer 3');
  });

  it('D4, S12: stays away after a 403 of the edge, and says why', async () => {
    edge.refusals.push({ code: 'key_revoked' });
    const { link } = started();
    await reached(link, 'refused');
    expect(link.state.value).toMatchObject({ reason: expect.stringContaining('key_revoked') });
    expect(edge.upgrades).toBe(1);
  });

  it('D4, S11: waits for as long as a 503 says', async () => {
    edge.refusals.push({ code: 'overloaded', retryAfterMs: 60_000 });
    const { link } = started();
    await reached(link, 'waiting');
    const { value } = link.state;
    expect(value.kind === 'waiting' && value.retryAt - value.since).toBe(60_000);
  });

  it('finds an edge that comes back on its port', async () => {
    await edge.close();
    const { link } = started();
    await reached(link, 'waiting');
    edge = new TestEdge();
    await edge.listen(Number(new URL(url).port));
    await edge.welcomed(0);
    await reached(link, 'open');
  });
});

describe('Link: ends', () => {
  it('redials when the socket is lost, and each log goes on where the other side stands', async () => {
    const { outbox, logs, inbox } = started();
    const first = await edge.welcomed(0);
    first.send(entry(1));
    await first.frame('ack');
    first.terminate();
    outbox.append(
      orchestratorCodec.encodeEntry({
        type: 'command_progress',
        commandId: 'cmd_vps-1_0000000000000000000001',
        at: 1,
        milestone: 'while away',
      }),
    );
    logs.wake();
    const second = await edge.socket(1);
    const hello = await second.frame('hello');
    expect(hello).toMatchObject({
      instanceId: 'instance-1',
      logs: { control: { peerLogId: 'log-edge', applied: 1, last: 1 } },
    });
    second.welcome(hello, 2);
    expect((await second.frame('entry')).body).toContain('while away');
    expect(inbox.depth().pending).toBe(1);
  });

  it('S12: stays away when a newer process has taken over', async () => {
    const { link } = started();
    (await edge.welcomed(0)).close(4409);
    await reached(link, 'refused');
    expect(link.state.value).toMatchObject({ reason: expect.stringContaining('newer process') });
    expect(edge.upgrades).toBe(1);
  });

  it('S8: gives up a socket that is open and silent, and dials again', async () => {
    const { link } = started();
    const silent = await edge.welcomed(0, 1_000);
    await silent.frame('status');
    silent.mute = true;
    await edge.welcomed(1);
    await until('the second session', () => {
      const { value } = link.state;
      return value.kind === 'open' && value.fence === 2;
    });
    await until('the end of the silent socket', () => silent.closed === 1006);
  });

  it('F4: ends a socket whose message is beyond any limit, and dials again', async () => {
    started();
    const socket = await edge.welcomed(0);
    socket.sendText('x'.repeat(TEXT_MESSAGE_BYTES_MAX + 100_000));
    await until('the close', () => socket.closed === 1009);
    await edge.welcomed(1);
  });

  it('F2: closes with 4400 on a malformed frame, and dials again', async () => {
    started();
    const socket = await edge.welcomed(0);
    socket.sendText('[{"type":"entry"}]');
    await until('the close', () => socket.closed === 4400);
    await edge.welcomed(1);
  });

  it('never dials again once it was refused from inside', async () => {
    const { link } = started();
    const socket = await edge.welcomed(0);
    link.refuse('a newer process owns the database');
    await reached(link, 'refused');
    await until('the close', () => socket.closed !== undefined);
    expect(edge.upgrades).toBe(1);
  });
});

describe('Link: drains', () => {
  it('S10: redials when the edge drains, and the old socket still answers what is open', async () => {
    const { link } = started();
    const old = await edge.welcomed(0);
    old.send(request(2));
    await until('the call', () => answers.length > 0);
    old.send({ type: 'drain', reason: 'an edge deploy', retryAfterMs: 1 });
    await edge.welcomed(1);
    await until('the new session', () => link.state.value.kind === 'open');
    expect(old.closed).toBeUndefined();
    answers[0]?.({ status: 204 });
    expect(await old.frame('response')).toMatchObject({ id: 2, status: 204 });
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S14: a call that the edge sent on the old socket before it knew of the new one is answered', async () => {
    const { link } = started();
    const old = await edge.welcomed(0);
    old.send({ type: 'drain', reason: '12 h', retryAfterMs: 1 });
    await edge.welcomed(1);
    await until('the new session', () => link.state.value.kind === 'open');
    old.send(request(2));
    await until('the call', () => answers.length > 0);
    answers[0]?.({ status: 204 });
    expect(await old.frame('response')).toMatchObject({ id: 2, status: 204 });
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S10: an old socket with nothing open ends soon after the new one is open', async () => {
    started();
    const old = await edge.welcomed(0);
    old.send({ type: 'drain', reason: 'an edge deploy', retryAfterMs: 1 });
    await edge.socket(1);
    expect(old.closed).toBeUndefined();
    await edge.welcomed(1);
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S10: a stop asks for nothing new, lets open calls finish, and closes with 1001', async () => {
    const { link } = started();
    const socket = await edge.welcomed(0);
    socket.send(request(2));
    await until('the call', () => answers.length > 0);
    const stopped = link.stop(5_000);
    await socket.frame('drain');
    answers[0]?.({ status: 200 });
    await stopped;
    await socket.frame('response');
    await until('the close', () => socket.closed === 1001);
    await until('the end of the loop', () => link.state.value.kind === 'stopped');
  });

  it('a stop ends a dial that hangs, and a wait', async () => {
    edge.refusals.push({ code: 'overloaded', retryAfterMs: 60_000 });
    const { link } = started();
    await reached(link, 'waiting');
    await link.stop(5_000);
    await until('the end of the loop', () => link.state.value.kind === 'stopped');
  });
});

describe('Link: blobs', () => {
  it('a pull goes on over the next session when its socket is lost', async () => {
    const { link } = started();
    const bytes = Buffer.from(JSON.stringify(EMPTY_CONFIG));
    const pulled = link.blob({ sha256: sha256Of(bytes), bytes: bytes.length }, new AbortController().signal);
    const first = await edge.welcomed(0);
    await first.frame('blob');
    first.terminate();
    const second = await edge.welcomed(1);
    const { id } = await second.frame('blob');
    second.send({ type: 'error', id, error: new Failure('blob_missing', 'gone').toWire() });
    await expect(pulled).rejects.toMatchObject({ code: 'blob_missing' });
  });

  it('a pull ends with its command', async () => {
    const { link } = started();
    const abort = new AbortController();
    const pulled = link.blob({ sha256: 'a'.repeat(64), bytes: 1 }, abort.signal);
    abort.abort(new Failure('conflict', 'cancelled'));
    await expect(pulled).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('Link: secrets', () => {
  it('one is asked for again over the next session when its socket is lost', async () => {
    const { link } = started();
    const asked = link.secret('site-1', 'key', new AbortController().signal);
    const first = await edge.welcomed(0);
    await first.frame('get_secret');
    first.terminate();
    const second = await edge.welcomed(1);
    const { id, siteId, name } = await second.frame('get_secret');
    expect([siteId, name]).toEqual(['site-1', 'key']);
    second.send({ type: 'secret', id, value: 'Zoë', version: 3 });
    expect(await asked).toEqual({ value: 'Zoë', version: 3 });
  });

  it('one that the edge does not have is a failure that says what to set', async () => {
    const { link } = started();
    const asked = link.secret('site-1', 'key', new AbortController().signal);
    const socket = await edge.welcomed(0);
    const { id } = await socket.frame('get_secret');
    socket.send({ type: 'error', id, error: new Failure('secret_missing', 'set it').toWire() });
    await expect(asked).rejects.toMatchObject({ code: 'secret_missing', message: 'set it' });
  });
});
