import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { type Entry, Failure, HANDLING_ATTEMPTS_MAX, HANDLING_RETRY_MS } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { entry } from './channel.fixture.ts';
import { Commands } from './commands.ts';
import type { NewEvent } from './events.ts';
import { Handling } from './handling.ts';
import { openLogs } from './logs.ts';
import { objectSql } from './store.ts';

let count = 0;
const event = (n: number) => ({
  type: 'sync_event',
  id: `evt_${String(n).padStart(22, '0')}`,
  event: {
    type: 'health_check',
    siteId: 'shop',
    data: { n },
    createdAt: '2026-01-01T00:00:00Z',
    syncedToWorkers: false,
  },
});

interface World {
  now: number;
  /** Batches of events that were kept. */
  readonly kept: NewEvent[][];
  /** Throws for what an event store does not take. */
  refuse: (items: readonly NewEvent[]) => void;
  readonly receive: (...entries: Entry[]) => void;
  readonly handling: Handling;
  readonly inbox: ReturnType<typeof openLogs>['control']['inbox'];
}

/** Handling over an object's own database, with events that a test refuses. */
const inObject = (work: (world: World) => void): Promise<void> =>
  runInDurableObject(env.CHANNEL.getByName(`handling-${++count}/0`), (_object, { storage }) => {
    const sql = objectSql(storage);
    const now = () => world.now;
    const logs = openLogs({ sql, now, newLogId: () => 'log-of-the-edge' });
    const { inbox } = logs.control;
    inbox.follow({ logId: 'log-of-the-vps', oldest: 1 });
    const handling = new Handling({
      sql,
      logs,
      now,
      commands: new Commands(sql, 'vps', now),
      blobs: { release: () => undefined },
      letters: { report: () => undefined },
      receipts: { report: () => undefined },
      reports: { ended: () => undefined },
      workerVars: { begun: () => undefined, ended: () => undefined },
      waiting: { later: () => undefined },
      deployments: { told: () => undefined },
      events: {
        insertAll(items) {
          world.refuse(items);
          world.kept.push([...items]);
        },
      },
    });
    const receive = (...entries: Entry[]) =>
      expect(handling.receive('control', entries)).toMatchObject({ ok: true, applied: entries.at(-1)?.seq });
    const world: World = { now: 1_000, kept: [], refuse: () => undefined, receive, handling, inbox };
    work(world);
  });

const numbers = ({ kept }: World) => kept.map((items) => items.map(({ seq }) => seq));

it('events of one message are kept by one call, whatever is between them', () =>
  inObject((world) => {
    world.receive(entry(1, event(1)), entry(2, { type: 'nonsense' }), entry(3, event(3)));
    expect(numbers(world)).toEqual([[1, 3]]);
    expect(world.inbox.depth()).toMatchObject({ pending: 0, dead: 1 });
  }));

it('L6: what is refused for good is a dead letter at once, and all around it is handled', () =>
  inObject((world) => {
    world.refuse = (items) => {
      if (items.some(({ seq }) => seq === 2)) throw new Failure('not_found', 'no such site');
    };
    world.receive(entry(1, event(1)), entry(2, event(2)), entry(3, event(3)));
    expect(numbers(world)).toEqual([[1], [3]]);
    expect(world.inbox.letters(10)).toMatchObject([{ seq: 2, error: 'no such site', attempts: 1 }]);
  }));

it('L6: what fails is tried again later and later, is a dead letter in the end, and nothing behind it waits', () =>
  inObject((world) => {
    world.refuse = (items) => {
      if (items.some(({ seq }) => seq === 1)) throw new Error('the disk is on fire');
    };
    world.receive(entry(1, event(1)));
    world.receive(entry(2, event(2)));
    expect(numbers(world)).toEqual([[2]]);
    for (let attempt = 1; attempt < HANDLING_ATTEMPTS_MAX; attempt++) {
      expect(world.inbox.letters(10)).toEqual([]);
      const due = world.handling.nextRetry();
      expect(due).toBe(world.now + HANDLING_RETRY_MS * 2 ** (attempt - 1));
      world.handling.run();
      world.now = due ?? 0;
      world.handling.run();
    }
    expect(world.inbox.letters(10)).toMatchObject([
      { seq: 1, attempts: HANDLING_ATTEMPTS_MAX, error: expect.stringContaining('on fire') },
    ]);
    expect(world.handling.nextRetry()).toBe(undefined);
  }));

it('a letter that is replayed is handled', () =>
  inObject((world) => {
    world.refuse = () => {
      throw new Failure('not_found', 'not yet');
    };
    world.receive(entry(1, event(1)));
    world.refuse = () => undefined;
    world.inbox.replay({ logId: 'log-of-the-vps', seq: 1 });
    world.handling.run();
    expect([numbers(world), world.inbox.depth().dead]).toEqual([[[1]], 0]);
  }));
