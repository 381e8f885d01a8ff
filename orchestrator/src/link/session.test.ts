import {
  BLOB_PART_BYTES,
  chunksOf,
  decodeChunk,
  type Entry,
  edgeCodec,
  encodeChunk,
  Failure,
  type FrameToEdge,
  type FrameToOrchestrator,
  HELLO_TIMEOUT_MS,
  RELAY_BODY_BYTES_MAX,
  type RequestHead,
  type Resync,
  type Status,
  type StatusReport,
  sha256Of,
  type Welcome,
} from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from 'vitest';
import type { Call, Reply } from '../calls/index.ts';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { createTestLogs, markRestored, type TestLogs } from './logs.fixture.ts';
import { Session, type SessionEvents } from './session.ts';

const HEARTBEAT_MS = 10_000;

const status: Status = {
  type: 'status',
  at: 1,
  version: '0',
  uptimeS: 1,
  memory: { rssBytes: 1, heapUsedBytes: 1 },
  queues: { inbox: 0, outbox: 0, deadLetters: 0 },
  sites: [],
  workers: [],
  tunnel: { state: 'not_configured' },
};
const report: StatusReport = {
  orchestrator: {
    id: 'vps-1',
    version: '0',
    uptimeS: 1,
    lanes: 1,
    memory: status.memory,
    queues: status.queues,
  },
  site: { generation: 0, digest: 'a'.repeat(64), workers: [], routes: [] },
  tunnel: status.tunnel,
  at: 1,
};

interface Relayed extends Call {
  readonly answer: (reply: Partial<Reply>) => void;
  readonly fail: (error: unknown) => void;
}

/** The edge's end of the pair: it sees what was sent, and sends. Nothing moves before `flush`. */
class Edge {
  readonly frames: FrameToEdge[] = [];
  /** Text messages, to count them. */
  readonly texts: string[] = [];
  readonly bodies = new Map<number, number[]>();
  closed: { code: number; reason: string } | undefined;

  readonly wire = {
    sendText: (text: string) => {
      this.texts.push(text);
      if (text !== 'ping') this.frames.push(...edgeCodec.decode(text).frames);
    },
    sendBytes: (bytes: Uint8Array) => {
      const { id, bytes: part } = decodeChunk(bytes);
      this.bodies.set(id, [...(this.bodies.get(id) ?? []), part.length]);
    },
    close: (code: number, reason: string) => {
      this.closed = { code, reason };
    },
  };

  take<T extends FrameToEdge['type']>(type: T): Extract<FrameToEdge, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<FrameToEdge, { type: T }> => frame.type === type);
  }
}

let clock: ManualClock;
let store: TestLogs;
let edge: Edge;
let session: Session;
let relayed: Relayed[];
let events: { [K in keyof SessionEvents]: Mock<SessionEvents[K]> };
const committed = vi.fn();
const finish = vi.fn((commandIds: readonly string[]) => commandIds.length);

beforeEach(() => {
  clock = new ManualClock();
  committed.mockClear();
  finish.mockClear();
  store = createTestLogs({
    ...{ clock, finish },
    onCommitted: committed,
    onEmptied: () => session.publishStatus(),
  });
  dial();
});
afterEach(() => {
  session.closed(1006, '');
  expect(clock.timers, 'timers left behind by an ended session').toBe(0);
});

/** A new socket over the same store. */
function dial(): void {
  edge = new Edge();
  relayed = [];
  events = { opened: vi.fn(), draining: vi.fn(), idle: vi.fn(), ended: vi.fn() };
  const { log } = recordingLogger();
  session = new Session({
    wire: edge.wire,
    clock,
    log,
    logs: store.logs,
    resync: store.resync,
    services: {
      request: (call) =>
        new Promise((resolve, reject) => {
          const answer = (reply: Partial<Reply>) =>
            resolve({ status: 200, headers: [], body: null, ...reply });
          relayed.push({ ...call, answer, fail: reject });
        }),
      report: async () => report,
    },
    status: () => status,
    hello: {
      type: 'hello',
      protocol: [1],
      orchestratorId: 'vps-1',
      lane: 0,
      lanes: 1,
      generation: 1,
      instanceId: 'instance-1',
      version: '0',
      capabilities: [],
      clockMs: clock.now(),
      logs: store.logs.positions(),
      sites: [],
    },
    events,
  });
}

const QUEUE = { logId: 'queue-edge', oldest: 1, last: 0, peerLogId: 'queue-orchestrator', applied: 0 };

const welcome = (
  more: Partial<Welcome['logs']['control']> = {},
  queue: Welcome['logs']['queue'] = QUEUE,
): Welcome => ({
  type: 'welcome',
  protocol: 1,
  sessionId: 'session-1',
  fence: 7,
  heartbeatMs: HEARTBEAT_MS,
  clockMs: 1,
  limits: { textMessageBytes: 1, bodyChunkBytes: 1, relayBodyBytes: 1, callsOpen: 1 },
  apiBudget: { calls: 1, windowS: 1 },
  logs: {
    control: { logId: 'log-edge', oldest: 1, last: 0, peerLogId: 'log-orchestrator', applied: 0, ...more },
    ...(queue === undefined ? {} : { queue }),
  },
});

const send = (...frames: FrameToOrchestrator[]): void =>
  session.receiveText(`[${frames.map((frame) => edgeCodec.encode(frame)).join(',')}]`);

/** Lets promises and then deferred tasks run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  clock.flush();
}

function open(more?: Partial<Welcome['logs']['control']>): void {
  send(welcome(more));
  clock.flush();
}

const entry = (seq: number, more: Partial<Entry> = {}): FrameToOrchestrator => ({
  type: 'entry',
  log: 'control',
  seq,
  at: 1,
  body: `${seq}`,
  ...more,
});
const resync = (more: Partial<Resync>): FrameToOrchestrator => ({
  type: 'resync',
  reason: 'the database was restored',
  finished: [],
  unrecoverable: [],
  last: false,
  ...more,
});
const request = (id: number, more: Partial<RequestHead> = {}): RequestHead => ({
  type: 'request',
  id,
  target: 'upstream',
  siteId: 'site-1',
  method: 'POST',
  url: '/x',
  headers: [],
  body: { kind: 'none' },
  requestId: `r${id}`,
  deadlineMs: 5_000,
  ...more,
});

describe('PROTOCOL: opening', () => {
  it('S1: hello is the first frame, and leaves at once', () => {
    expect(edge.frames).toEqual([expect.objectContaining({ type: 'hello', generation: 1 })]);
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

describe('PROTOCOL: the control log', () => {
  it('L3: entries of one turn are committed together and acknowledged once', () => {
    open();
    send(entry(1), entry(2));
    send(entry(3));
    expect(edge.take('ack')).toEqual([]);
    clock.flush();
    expect(edge.take('ack')).toEqual([{ type: 'ack', log: 'control', applied: 3 }]);
    expect(store.inboxes.control.pending(10, clock.now()).map((item) => item.seq)).toEqual([1, 2, 3]);
    expect(committed).toHaveBeenCalledTimes(1);
  });

  it('L4: entries sent again are acknowledged again, and committed once', () => {
    open();
    send(entry(1));
    clock.flush();
    send(entry(1));
    clock.flush();
    expect(edge.take('ack').map((ack) => ack.applied)).toEqual([1, 1]);
    expect(store.inboxes.control.depth().pending).toBe(1);
  });

  it('L4: a gap is said and closes as malformed, and nothing behind it is committed', () => {
    open();
    send(entry(1), entry(3));
    clock.flush();
    expect(edge.take('error')).toEqual([
      { type: 'error', error: expect.objectContaining({ message: expect.stringContaining('entry 3') }) },
    ]);
    expect(edge.closed?.code).toBe(4400);
    expect(store.inboxes.control.depth().pending).toBe(0);
  });

  it('L5: what the edge has not applied is sent after welcome, and what is new as it comes', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ applied: 1 });
    expect(edge.take('entry').map((sent) => sent.body)).toEqual(['b', 'c']);
    store.outboxes.control.append('d');
    store.logs.wake();
    clock.flush();
    expect(edge.take('entry').map((sent) => sent.body)).toEqual(['b', 'c', 'd']);
  });

  it('L5: when the edge has followed another log, sending begins at the oldest that is kept', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ peerLogId: 'log-before', applied: 2 });
    expect(edge.take('entry').map((sent) => sent.body)).toEqual(['a', 'b', 'c']);
  });

  it('L8: an acknowledgement lets more batches go', () => {
    for (let made = 0; made < 5_000; made++) store.outboxes.control.append('x');
    open();
    expect(edge.take('entry')).toHaveLength(4_000);
    send({ type: 'ack', log: 'control', applied: 500 });
    clock.flush();
    expect(edge.take('entry')).toHaveLength(4_500);
    expect(store.outboxes.control.depth).toBe(4_500);
  });

  it('an acknowledgement that empties the outbox is followed by one status, any other by none', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open();
    const statuses = (): number => edge.take('status').length;
    expect(statuses()).toBe(1);
    send({ type: 'ack', log: 'control', applied: 2 });
    clock.flush();
    expect(statuses()).toBe(1);
    send({ type: 'ack', log: 'control', applied: 3 });
    clock.flush();
    expect(statuses()).toBe(2);
    send({ type: 'ack', log: 'control', applied: 3 });
    clock.flush();
    expect(statuses()).toBe(2);
  });

  it('L7: a newer session takes the log over: entries on the older socket are passed over', () => {
    open();
    const older = session;
    const olderEdge = edge;
    dial();
    open();
    older.receiveText(`[${edgeCodec.encode(entry(1))}]`);
    clock.flush();
    expect(olderEdge.take('ack')).toEqual([]);
    expect(store.inboxes.control.depth().pending).toBe(0);
    older.closed(1000, '');
    send(entry(1));
    clock.flush();
    expect(edge.take('ack')).toHaveLength(1);
  });

  it.each([
    { type: 'entry', log: 'queue', seq: 1, at: 1, body: '{}' } as const,
    { type: 'ack', log: 'queue', applied: 1 } as const,
  ])('L5: a log that welcome did not offer is malformed', (frame) => {
    const { control } = welcome().logs;
    send({ ...welcome(), logs: { control } });
    send(frame);
    expect(edge.closed).toMatchObject({ code: 4400, reason: expect.stringContaining('queue') });
  });

  it('L3: a store that fails ends the session without an acknowledgement', () => {
    open();
    store.sql.run('DROP TABLE log_inbox');
    send(entry(1));
    clock.flush();
    expect(edge.take('ack')).toEqual([]);
    expect(edge.closed?.code).toBe(1011);
  });
});

describe('PROTOCOL: two logs', () => {
  const webhook = (seq: number): FrameToOrchestrator => entry(seq, { log: 'queue' });

  it('L4, L8: each has its own positions and acknowledgements', () => {
    open();
    send(entry(1), webhook(1), webhook(2));
    clock.flush();
    expect(edge.take('ack')).toEqual([
      { type: 'ack', log: 'control', applied: 1 },
      { type: 'ack', log: 'queue', applied: 2 },
    ]);
    expect(store.inboxes.queue.depth().pending).toBe(2);
  });

  it('a backlog of one that fills what may be in flight does not keep an entry of the other waiting', () => {
    for (let made = 0; made < 5_000; made++) store.outboxes.queue.append('x');
    open();
    store.outboxes.control.append('urgent');
    store.logs.wake();
    clock.flush();
    expect(edge.take('entry').filter(({ log }) => log === 'queue')).toHaveLength(4_000);
    expect(edge.take('entry').at(-1)).toMatchObject({ log: 'control', body: 'urgent' });
  });

  it('entries of control go before those of queue when both wait', () => {
    store.outboxes.queue.append('later');
    store.outboxes.control.append('first');
    open();
    expect(edge.take('entry').map(({ log }) => log)).toEqual(['control', 'queue']);
  });

  it('how far D1 is comes with the acknowledgement, and with the welcome', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ projected: 1 });
    expect(store.outboxes.control.projected).toBe(1);
    send({ type: 'ack', log: 'control', applied: 3, projected: 2 });
    expect(store.outboxes.control.projected).toBe(2);
  });
});

describe('PROTOCOL: resync', () => {
  const ids = [1, 2, 3].map((n) => `cmd_vps-1_${String(n).padStart(22, '0')}`);

  it('ends what the edge knows as ended, frame by frame, and is over with the last one', () => {
    const awaits = markRestored(store.sql);
    open();
    send(resync({ finished: ids.slice(0, 2) }));
    expect(awaits()).toBe(true);
    send(resync({ finished: ids.slice(2), last: true }));
    expect(finish.mock.calls).toEqual([[ids.slice(0, 2)], [ids.slice(2)]]);
    expect(awaits()).toBe(false);
  });

  it('that is cut off is not over: the next session tells it from the beginning', () => {
    const awaits = markRestored(store.sql);
    open();
    send(resync({ finished: ids }));
    session.closed(1006, '');
    dial();
    expect(awaits()).toBe(true);
  });

  it('names what is lost for good: said, counted once, and kept', () => {
    open();
    const unrecoverable = [{ log: 'control' as const, from: 4, to: 9 }];
    for (const _ of [1, 2]) send(resync({ unrecoverable, last: true }));
    expect(store.losses.value).toEqual({ at: clock.now(), entries: 6 });
    expect(store.lines.filter((line) => line.includes('lost for good'))).toHaveLength(1);
  });

  it('L5: entries that the edge has deleted before they came are lost, too', () => {
    open();
    session.closed(1006, '');
    dial();
    open({ oldest: 4, last: 3 });
    expect(store.losses.value?.entries).toBe(3);
  });
});

describe('a store that fails while a session is open', () => {
  const fill = (): void => {
    const used = store.db.pragma('page_count', { simple: true });
    store.db.pragma(`max_page_count = ${used}`);
  };
  const room = (): void => void store.db.pragma('max_page_count = 1000000');
  const large = (seq: number): FrameToOrchestrator => entry(seq, { body: 'x'.repeat(60_000) });

  it('acknowledges nothing, keeps what has come, answers calls, and goes on by itself when there is room', async () => {
    open();
    fill();
    send(large(1), large(2), request(2));
    clock.flush();
    relayed[0]?.answer({});
    await settle();
    clock.pass(6_000);
    expect([edge.take('ack'), edge.closed]).toEqual([[], undefined]);
    expect(edge.take('response')).toHaveLength(1);
    send(large(3));
    room();
    clock.pass(2_000);
    expect(edge.take('ack')).toEqual([{ type: 'ack', log: 'control', applied: 3 }]);
    expect(store.db.pragma('integrity_check', { simple: true })).toBe('ok');
  });

  it('does not let the edge fill the memory: beyond what may be in flight the session ends, to be retried', () => {
    open();
    fill();
    for (let seq = 1; seq <= 40; seq++) {
      send(large(seq));
      clock.flush();
    }
    expect(edge.closed?.code).toBe(4429);
    expect(events.ended).toHaveBeenCalledWith(expect.objectContaining({ after: 'retry' }));
  });

  it('opens a session all the same, and writes down where the logs stand when it can', () => {
    store.outboxes.control.append('a');
    store.db.pragma('query_only = ON');
    open();
    expect([edge.closed, edge.take('entry')]).toEqual([undefined, []]);
    store.db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(edge.take('entry').map(({ body }) => body)).toEqual(['a']);
  });

  it('keeps a resync until it can be written', () => {
    open();
    const awaits = markRestored(store.sql);
    store.db.pragma('query_only = ON');
    send(resync({ last: true }));
    expect(awaits()).toBe(true);
    store.db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(awaits()).toBe(false);
  });
});

describe('PROTOCOL: calls from the edge', () => {
  beforeEach(() => open());

  it('F1, C6: an answer to the only open call leaves at once, with a small body in its head', async () => {
    send(request(2, { body: { kind: 'text', data: 'grüße' } }));
    expect(Buffer.from(relayed[0]?.body ?? []).toString()).toBe('grüße');
    relayed[0]?.answer({ status: 201, headers: [['a', '1']], body: Buffer.from('ok') });
    await Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => {});
    expect(edge.take('response')).toEqual([
      { type: 'response', id: 2, status: 201, headers: [['a', '1']], body: { kind: 'text', data: 'ok' } },
    ]);
  });

  it('F1: answers of one turn leave in one message while calls are open', async () => {
    send(request(2), request(4), request(6));
    const before = edge.texts.length;
    relayed[0]?.answer({});
    relayed[1]?.answer({});
    await settle();
    expect(edge.take('response')).toHaveLength(2);
    expect(edge.texts.length - before).toBe(1);
  });

  it('C6: bytes that are not UTF-8 travel as base64, and large ones as binary messages', async () => {
    send(
      request(2, { body: { kind: 'base64', data: Buffer.from([0xff, 0]).toString('base64') } }),
      request(4),
    );
    expect([...(relayed[0]?.body ?? [])]).toEqual([0xff, 0]);
    relayed[0]?.answer({ body: Buffer.from([0xfe]) });
    relayed[1]?.answer({ body: Buffer.alloc(100_000) });
    await settle();
    expect(edge.take('response').map(({ body }) => body)).toEqual([
      { kind: 'base64', data: '/g==' },
      { kind: 'stream' },
    ]);
    expect(edge.bodies.get(4)).toEqual([65_536, 34_464]);
  });

  it('C6: a streamed request body is collected, whether a chunk or an end frame ends it', () => {
    send(request(2, { body: { kind: 'stream' } }), request(4, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(70_000, 1))) session.receiveBytes(encodeChunk(chunk));
    session.receiveBytes(encodeChunk({ id: 4, last: false, bytes: new Uint8Array(5) }));
    send({ type: 'end', id: 4 });
    expect(relayed.map(({ head, body }) => [head.id, body?.length])).toEqual([
      [2, 70_000],
      [4, 5],
    ]);
  });

  it('C6: a request body beyond the limit is refused as too_large and not started', () => {
    send(request(2, { body: { kind: 'stream' } }));
    for (const chunk of chunksOf(2, Buffer.alloc(RELAY_BODY_BYTES_MAX + 1)))
      session.receiveBytes(encodeChunk(chunk));
    expect(relayed).toEqual([]);
    expect(edge.take('error')[0]).toMatchObject({
      id: 2,
      error: { code: 'too_large', execution: 'not_started' },
    });
  });

  it('C6: an answer beyond the limit is response_too_large', async () => {
    send(request(2));
    relayed[0]?.answer({ body: Buffer.alloc(RELAY_BODY_BYTES_MAX + 1) });
    await settle();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'response_too_large' } });
  });

  it('an answer that cannot be carried is upstream_failed, and the socket stays', async () => {
    send(request(2));
    relayed[0]?.answer({ status: 999 });
    await settle();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'upstream_failed' } });
    expect(edge.closed).toBeUndefined();
  });

  it('C2: a Failure is the answer; anything else is internal and says nothing of itself', async () => {
    send(request(2), request(4));
    relayed[0]?.fail(new Failure('not_found', 'no route'));
    relayed[1]?.fail(new TypeError('secret detail'));
    await settle();
    expect(edge.take('error').map(({ error }) => [error.code, error.message.includes('secret')])).toEqual([
      ['not_found', false],
      ['internal', false],
    ]);
  });

  it('C4: the deadline ends a call, aborts its work, and a late answer is dropped', async () => {
    send(request(2, { deadlineMs: 50 }));
    clock.pass(50);
    expect(edge.take('error')[0]).toMatchObject({
      id: 2,
      error: { code: 'deadline_exceeded', execution: 'may_have_executed' },
    });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
  });

  it('C2: cancel aborts the work, and nothing is answered', async () => {
    send(request(2));
    send({ type: 'cancel', id: 2, reason: 'the customer left' });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
    expect(session.callsOpen).toBe(0);
  });

  it('get_status is answered with the report', async () => {
    send({ type: 'get_status', id: 2, siteId: 'site-1', deadlineMs: 1_000 });
    await settle();
    expect(edge.take('get_status_result')).toEqual([{ type: 'get_status_result', id: 2, data: report }]);
  });

  it('C1: the edge opens calls with even ids, each once', () => {
    send(request(3));
    expect(edge.closed?.code).toBe(4400);
    dial();
    open();
    send(request(2), request(2));
    expect(edge.closed?.code).toBe(4400);
  });

  it('C5: more calls than the limit are overloaded and not started', () => {
    for (let id = 2; id <= 2 * 4_097; id += 2) send(request(id));
    expect(relayed).toHaveLength(4_096);
    expect(edge.take('error')[0] ?? clock.flush()).toBeUndefined();
    expect(edge.take('error')).toEqual([
      expect.objectContaining({
        error: expect.objectContaining({ code: 'overloaded', execution: 'not_started' }),
      }),
    ]);
  });

  it('C2: the end of the socket aborts what is open', () => {
    send(request(2));
    session.closed(1006, '');
    expect(relayed[0]?.signal.aborted).toBe(true);
    expect(events.ended).toHaveBeenCalledTimes(1);
  });
});

describe('PROTOCOL: blobs', () => {
  const never = new AbortController().signal;
  const blob = Buffer.alloc(BLOB_PART_BYTES + 10, 3);
  const ref = { sha256: sha256Of(blob), bytes: blob.length };

  beforeEach(() => open());

  const answer = (id: number, bytes: Uint8Array): void => {
    for (const chunk of chunksOf(id, bytes)) session.receiveBytes(encodeChunk(chunk));
  };

  it('C7: are pulled part by part with odd ids, and verified', async () => {
    const pulled = session.blob(ref, never);
    await settle();
    expect(edge.take('blob')).toEqual([{ type: 'blob', id: 1, sha256: ref.sha256, part: 0 }]);
    answer(1, blob.subarray(0, BLOB_PART_BYTES));
    await settle();
    expect(edge.take('blob')[1]).toEqual({ type: 'blob', id: 3, sha256: ref.sha256, part: 1 });
    answer(3, blob.subarray(BLOB_PART_BYTES));
    expect(blob.equals(await pulled)).toBe(true);
  });

  it('with another digest or length are blob_missing', async () => {
    const wrongDigest = session.blob({ sha256: 'f'.repeat(64), bytes: 2 }, never);
    const short = session.blob({ sha256: 'f'.repeat(64), bytes: 9 }, never);
    answer(1, Buffer.from('no'));
    answer(3, Buffer.from('no'));
    await expect(wrongDigest).rejects.toMatchObject({ code: 'blob_missing' });
    await expect(short).rejects.toMatchObject({ code: 'blob_missing' });
  });

  it('hand on the edge’s error', async () => {
    const pulled = session.blob(ref, never);
    send({ type: 'error', id: 1, error: new Failure('blob_missing', 'it was pruned').toWire() });
    await expect(pulled).rejects.toMatchObject({ code: 'blob_missing', message: 'it was pruned' });
  });

  it('have a deadline, and end with the socket', async () => {
    const late = session.blob(ref, never);
    clock.pass(1_000);
    const lost = session.blob(ref, never);
    session.receiveText('pong');
    for (let waited = 0; waited < 29; waited++) {
      clock.pass(1_000);
      session.receiveText('pong');
    }
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    session.closed(1006, '');
    await expect(lost).rejects.toMatchObject({ code: 'orchestrator_lost' });
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
