import { encodeChunk, HELLO_TIMEOUT_MS } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  clock,
  dial,
  edge,
  entry,
  events,
  HEARTBEAT_MS,
  open,
  ownSession,
  relayed,
  request,
  resync,
  send,
  session,
  settle,
  store,
} from './session.fixture.ts';

ownSession();

describe('PROTOCOL: opening', () => {
  it('S1: hello is the first frame, and leaves at once', () => {
    expect(edge.frames).toEqual([expect.objectContaining({ type: 'hello', generation: 1 })]);
  });

  it('a greeting that cannot be made leaves no timer behind', () => {
    session.closed(1006, '');
    store.db.close();
    expect(() => dial()).toThrow('not open');
    expect(clock.timers).toBe(0);
  });

  it('S2: without a welcome in time the socket is closed with 4408', () => {
    clock.pass(HELLO_TIMEOUT_MS);
    expect(edge.closed?.code).toBe(4408);
    expect(events.ended).toHaveBeenCalledWith({ after: 'retry', reason: 'no welcome in time' });
  });

  it('S2: after welcome the session is open, and the status follows', () => {
    open();
    expect(events.opened).toHaveBeenCalledWith(expect.objectContaining({ fence: 7 }));
    expect(edge.take('status')).toHaveLength(1);
  });

  it.each([
    ['an entry', entry(1)],
    ['a request', request(2)],
    ['an ack', { type: 'ack', log: 'control', applied: 0 } as const],
    ['a resync', resync({ last: true })],
  ])('S2: %s before welcome is malformed', (_what, frame) => {
    send(frame);
    expect(edge.closed).toMatchObject({ code: 4400, reason: expect.stringContaining('before welcome') });
  });

  it('S2: a second welcome is malformed', () => {
    open();
    open();
    expect(edge.closed?.code).toBe(4400);
  });

  it('S7: a database that lacks entries which the edge has seen of it stays away for good, and says what to do', () => {
    open({ applied: 3 });
    expect(events.ended).toHaveBeenCalledWith({
      after: 'fatal',
      reason: expect.stringMatching(/orchestrator\.db is an older copy.*clawctl restore/),
    });
  });
});

describe('PROTOCOL: a copy that went on by itself', () => {
  it('S7: stays away for good when the edge has another entry in that place', () => {
    store.outboxes.control.append('what the copy wrote');
    open({ applied: 1, appliedDigest: 'a'.repeat(64) });
    expect(events.ended).toHaveBeenCalledWith({
      after: 'fatal',
      reason: expect.stringMatching(/older copy: the edge has another entry 1 of its control log/),
    });
  });
});

describe('PROTOCOL: frames', () => {
  it('F2: a frame that does not match its schema closes with 4400 and says where', () => {
    open();
    session.receiveText('[{"type":"probe","n":"x"}]');
    expect(edge.closed).toMatchObject({ code: 4400, reason: expect.stringContaining('probe: n') });
    expect(events.ended).toHaveBeenCalledTimes(1);
  });

  it.each(['{', '{}', '[]', '[1]', '[{}]'])('F1: the text %s is malformed', (text) => {
    open();
    session.receiveText(text);
    expect(edge.closed?.code).toBe(4400);
  });

  it('F5: a binary message without our header is malformed', () => {
    open();
    session.receiveBytes(new Uint8Array([9, 9, 9]));
    expect(edge.closed?.code).toBe(4400);
  });

  it('F3: an unknown type is ignored and counted', () => {
    open();
    session.receiveText('[{"type":"from_the_future"},{"type":"probe","n":4}]');
    expect(session.unknownFrames).toBe(1);
    expect(edge.take('probe')).toEqual([{ type: 'probe', n: 4 }]);
  });

  it('C3: unknown ids are ignored, since late frames are normal', () => {
    open();
    send({ type: 'end', id: 88 }, { type: 'cancel', id: 90, reason: 'late' }, { type: 'end', id: 7 });
    session.receiveBytes(encodeChunk({ id: 92, last: true, bytes: new Uint8Array(3) }));
    session.receiveBytes(encodeChunk({ id: 93, last: true, bytes: new Uint8Array(3) }));
    expect(edge.closed).toBeUndefined();
  });

  it('S9: a probe is answered at once with the same frame', () => {
    open();
    send({ type: 'probe', n: 12 });
    expect(edge.take('probe')).toEqual([{ type: 'probe', n: 12 }]);
  });
});

describe('PROTOCOL: heartbeat', () => {
  it('S8: pings at every heartbeat and measures the round trip', () => {
    open();
    clock.pass(40.26);
    session.receiveText('pong');
    expect(session.rttMs).toBe(40.3);
    clock.pass(HEARTBEAT_MS);
    expect(edge.texts.filter((text) => text === 'ping')).toHaveLength(2);
  });

  it('S8: silence for one and a half heartbeats ends the session', () => {
    open();
    clock.pass(HEARTBEAT_MS * 1.5 - 1);
    expect(events.ended).not.toHaveBeenCalled();
    clock.pass(1);
    expect(events.ended).toHaveBeenCalledWith({ after: 'retry', reason: 'the edge fell silent' });
  });

  it('S8: anything heard counts against silence', () => {
    open();
    clock.pass(HEARTBEAT_MS);
    send({ type: 'probe', n: 1 });
    clock.pass(HEARTBEAT_MS);
    expect(events.ended).not.toHaveBeenCalled();
    clock.pass(HEARTBEAT_MS / 2);
    expect(events.ended).toHaveBeenCalled();
  });
});

describe('PROTOCOL: ends', () => {
  beforeEach(() => open());

  it.each([
    [1001, 'retry'],
    [1006, 'retry'],
    [4400, 'retry'],
    [4410, 'retry'],
    [4999, 'retry'],
    [4403, 'fatal'],
    [4406, 'fatal'],
    [4409, 'fatal'],
    [4411, 'fatal'],
  ])('S12: a close with %i is %s', (code, after) => {
    session.closed(code, 'because');
    expect(events.ended).toHaveBeenCalledWith(
      expect.objectContaining({ after, reason: expect.stringContaining('because') }),
    );
  });

  it('S11: a drain is announced once, and its retry_after holds for the close too', () => {
    send({ type: 'drain', reason: 'a deploy', retryAfterMs: 700 });
    send({ type: 'drain', reason: 'a deploy', retryAfterMs: 800 });
    expect(events.draining.mock.calls).toEqual([['a deploy', 700]]);
    session.closed(1012, '');
    expect(events.ended).toHaveBeenCalledWith(expect.objectContaining({ after: 'retry', floorMs: 800 }));
  });

  it('S10: a session that the edge drains still answers what is open', async () => {
    send(request(2));
    send({ type: 'drain', reason: 'a deploy' });
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toHaveLength(1);
    expect(events.idle).toHaveBeenCalled();
  });

  it('S10: while this process stops, open calls are answered and new ones refused as not started', async () => {
    send(request(2));
    session.drain('stopping');
    expect(edge.take('drain')).toHaveLength(1);
    send(request(4));
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response').map(({ id }) => id)).toEqual([2]);
    expect(edge.take('error')[0]).toMatchObject({
      id: 4,
      error: { code: 'orchestrator_away', execution: 'not_started' },
    });
  });

  it('nothing is sent or done after the end', () => {
    session.closed(1006, '');
    const before = edge.texts.length;
    send({ type: 'probe', n: 1 }, request(2));
    session.publishStatus();
    clock.pass(100_000);
    expect(edge.texts.length).toBe(before);
    expect(relayed).toEqual([]);
  });
});
