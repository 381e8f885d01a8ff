import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { Inbox, Outbox, type Sql } from '@clawdbot/protocol';
import { Configs } from './configs.ts';
import { EventProjection } from './event-projection.ts';
import { Events, type NewEvent } from './events.ts';
import { Meta, objectSql } from './store.ts';

let opened = 0;

/** Parts of one object over its real SQLite, with a clock that the test holds. */
export interface OwnParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly configs: Configs;
  readonly events: Events;
  readonly projection: EventProjection;
  readonly orchestratorId: string;
  readonly orgId: string;
  readonly clock: { now: number };
}

/** Runs a test inside an object of its own, whose orchestrator is `own-<n>` of `org-of-own-<n>` with the site `shop`. */
export function withObject(test: (parts: OwnParts) => void | Promise<void>): Promise<void> {
  const orchestratorId = `own-${++opened}`;
  return runInDurableObject(env.CHANNEL.getByName(`${orchestratorId}/0`), async (_object, { storage }) => {
    const sql = objectSql(storage);
    const clock = { now: 1_000_000 };
    const now = () => clock.now;
    const meta = new Meta(sql);
    const inbox = new Inbox(sql, 'control');
    const configs = new Configs(sql);
    configs.put('shop', false);
    const projection = new EventProjection({ sql, meta, inbox, now });
    await test({
      sql,
      meta,
      inbox,
      configs,
      orchestratorId,
      clock,
      orgId: `org-of-${orchestratorId}`,
      outbox: new Outbox({ sql, log: 'control', now, newLogId: () => 'log-of-object' }),
      projection,
      events: new Events({ sql, configs, projection, orchestratorId, now }),
    });
  });
}

/** The real D1, which fails while it is told to. */
export function breakable(db: D1Database): D1Database & { broken: boolean } {
  const state = { broken: false };
  return new Proxy(db, {
    set: (_, key, value) => Reflect.set(state, key, value),
    get: (target, key) => {
      if (key === 'broken') return state.broken;
      if (state.broken) throw new Error('D1 is told to fail');
      return Reflect.get(target, key).bind(target);
    },
  }) as D1Database & { broken: boolean }; // What the two handlers make of it.
}

/** An event as entry `seq` of the log brings it; its id is of that number, in the object's own namespace. */
export const eventAt = (
  parts: Pick<OwnParts, 'orchestratorId'>,
  seq: number,
  data: object = {},
): NewEvent => ({
  id: `evt_${parts.orchestratorId.replace('-', '')}${String(seq).padStart(16, '0')}`,
  logId: 'log-of-the-vps',
  seq,
  event: {
    type: 'health_check',
    siteId: 'shop',
    data: { seq, ...data },
    createdAt: new Date(seq).toISOString(),
    syncedToWorkers: false,
  },
});
