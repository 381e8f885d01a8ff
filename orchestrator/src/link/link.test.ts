import { type FrameToOrchestrator, orchestratorCodec, TEXT_MESSAGE_BYTES_MAX } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { until } from './edge.fixture.ts';
import { answers, edge, newEdge, ownLinks, reached, started } from './link.fixture.ts';

ownLinks();

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
    await newEdge();
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

  it('S10: an old socket with nothing open ends as soon as the new one is open', async () => {
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
