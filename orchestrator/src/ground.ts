import { Inbox, type LogName, Outbox, type RandomBytes, type Status } from '@clawdbot/protocol';
import type { Clock } from './clock.ts';
import { DeliveryTable } from './delivery/index.ts';
import { Losses } from './link/index.ts';
import type { Logger } from './log.ts';
import type { UpstreamAllow } from './relay/allow.ts';
import { createSettings } from './settings/index.ts';
import type { Store } from './store/index.ts';
import { Events, SharedTables } from './sync/index.ts';

export interface GroundOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Logger;
  readonly allow: UpstreamAllow;
  /** Names a new log; asked once in a database's life. */
  readonly newLogId: () => string;
}

export type Ground = ReturnType<typeof layGround>;

/** What lies under every room: the store with its logs, and what has been configured, seen and shared. */
export function layGround({ store, clock, random, log, allow, newLogId }: GroundOptions) {
  const { sql } = store;
  const { now } = clock;
  // `lazyPositions`: what the edge repeats in each `welcome` is not worth an fsync per acknowledgement.
  const outboxOf = (name: LogName) =>
    new Outbox({ sql, log: name, now, newLogId, lazyPositions: true, gather: true });
  const outboxes = { control: outboxOf('control'), queue: outboxOf('queue') };
  const inboxes = { control: new Inbox(sql, 'control'), queue: new Inbox(sql, 'queue') };
  const deliveries = new DeliveryTable(sql);
  const events = new Events({ sql, outbox: outboxes.control, now, random });
  return {
    store,
    sql,
    outboxes,
    inboxes,
    events,
    queues: (): Status['queues'] => depthsOf(inboxes, outboxes, deliveries),
    losses: new Losses(sql, now, log),
    settings: createSettings({ sql, now, allow, events }),
    shared: new SharedTables(sql),
  };
}

type Both<T> = Readonly<Record<LogName, T>>;

function depthsOf(inboxes: Both<Inbox>, outboxes: Both<Outbox>, deliveries: DeliveryTable): Status['queues'] {
  const [control, queue] = [inboxes.control.depth(), inboxes.queue.depth()];
  return {
    // A stored request is handled when it has come to its upstream.
    inbox: control.pending + queue.pending + deliveries.count,
    outbox: outboxes.control.depth + outboxes.queue.depth,
    deadLetters: control.dead + queue.dead,
  };
}
