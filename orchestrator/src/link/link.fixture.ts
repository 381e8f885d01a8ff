/** Links over real sockets to an edge of the test's own. */
import { Failure } from '@clawdbot/protocol';
import { afterEach, beforeEach } from 'vitest';
import type { Reply } from '../calls/index.ts';
import { systemClock } from '../clock.ts';
import { recordingLogger } from '../log.fixture.ts';
import { Backoff } from './backoff.ts';
import { TestEdge, until } from './edge.fixture.ts';
import { Link } from './link.ts';
import { createTestLogs, helloOf } from './logs.fixture.ts';
import { createDial } from './socket.ts';
import type { LinkState } from './state.ts';

export let edge: TestEdge;
/** Answers to the requests that have come, in their order. */
export let answers: ((reply: Partial<Reply>) => void)[];
let url: string;
let links: { link: Link; over: Promise<void> }[];

/** Each test of the file that says so has an edge of its own; its links have ended behind it. */
export function ownEdge(): void {
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
}

/** Another edge on the port of one that was closed. */
export async function comeBack(): Promise<void> {
  edge = new TestEdge();
  await edge.listen(Number(new URL(url).port));
}

/** A process's link over a new database, dialling at once after every end. */
export function started() {
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
      greeting: () => helloOf(logs, 1),
    },
  });
  const states: LinkState[] = [];
  link.state.subscribe((state) => states.push(state));
  links.push({ link, over: link.runUntilStopped() });
  return { link, outbox: outboxes.control, inbox: inboxes.control, logs, states };
}

export const reached = (link: Link, kind: LinkState['kind']) =>
  until(kind, () => link.state.value.kind === kind);
