/** A session over a store in memory, and the edge’s end of its socket: nothing moves before `flush`. */
import {
  decodeChunk,
  type Entry,
  edgeCodec,
  type FrameToEdge,
  type FrameToOrchestrator,
  type RequestHead,
  type Resync,
  type Status,
  type StatusReport,
  type Welcome,
} from '@clawdbot/protocol';
import { afterEach, beforeEach, expect, type Mock, vi } from 'vitest';
import type { Call, Reply } from '../calls/index.ts';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { createTestLogs, helloOf, type TestLogs } from './logs.fixture.ts';
import type { Role } from './role.ts';
import { Session, type SessionEvents } from './session.ts';

export const HEARTBEAT_MS = 10_000;

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
export const report: StatusReport = {
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
    sendBytes: (bytes: Uint8Array, sent?: () => void) => {
      const { id, bytes: part } = decodeChunk(bytes);
      this.bodies.set(id, [...(this.bodies.get(id) ?? []), part.length]);
      sent?.();
    },
    close: (code: number, reason: string) => {
      this.closed = { code, reason };
    },
  };

  take<T extends FrameToEdge['type']>(type: T): Extract<FrameToEdge, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<FrameToEdge, { type: T }> => frame.type === type);
  }
}

export let clock: ManualClock;
export let store: TestLogs;
export let edge: Edge;
export let session: Session;
export let relayed: Relayed[];
export let events: { [K in keyof SessionEvents]: Mock<SessionEvents[K]> };
export const committed = vi.fn();
export const finish = vi.fn((commandIds: readonly string[]) => commandIds.length);

/** Each test of the file that says so has a session of its own. */
export function ownSession(): void {
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
}

const role = (): Role => ({
  kind: 'control',
  logs: store.logs,
  resync: store.resync,
  status: () => status,
  onApiBudget: () => {},
  greeting: () => helloOf(store.logs, clock.now()),
});

/** A new socket over the same store. */
export function dial(): void {
  edge = new Edge();
  relayed = [];
  events = { pushed: vi.fn(), opened: vi.fn(), draining: vi.fn(), idle: vi.fn(), ended: vi.fn() };
  const { log } = recordingLogger();
  session = new Session({
    wire: edge.wire,
    clock,
    log,
    services: {
      request: (call) =>
        new Promise((resolve, reject) => {
          const answer = (reply: Partial<Reply>) =>
            resolve({ status: 200, headers: [], body: null, ...reply });
          relayed.push({ ...call, answer, fail: reject });
        }),
      report: async () => report,
    },
    role: role(),
    events,
  });
}

const QUEUE = { logId: 'queue-edge', oldest: 1, last: 0, peerLogId: 'queue-orchestrator', applied: 0 };

export const welcome = (
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

export const send = (...frames: FrameToOrchestrator[]): void =>
  session.receiveText(`[${frames.map((frame) => edgeCodec.encode(frame)).join(',')}]`);

/** Lets promises and then deferred tasks run. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  clock.flush();
}

export function open(more?: Partial<Welcome['logs']['control']>): void {
  send(welcome(more));
  clock.flush();
}

export const entry = (seq: number, more: Partial<Entry> = {}): FrameToOrchestrator => ({
  type: 'entry',
  log: 'control',
  seq,
  at: 1,
  body: `${seq}`,
  ...more,
});
export const resync = (more: Partial<Resync>): FrameToOrchestrator => ({
  type: 'resync',
  reason: 'the database was restored',
  finished: [],
  unrecoverable: [],
  last: false,
  ...more,
});
export const request = (id: number, more: Partial<RequestHead> = {}): RequestHead => ({
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
