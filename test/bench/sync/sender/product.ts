import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Hello, Inbox, type LogName, Outbox, PROTOCOL_VERSIONS, type Status } from '@clawdbot/protocol';
import { systemClock as clock } from '../../../../orchestrator/src/clock.ts';
import { type Identity, loadIdentity, signChannelToken } from '../../../../orchestrator/src/identity.ts';
import {
  Backoff,
  createDial,
  DurableLog,
  DurableLogs,
  Link,
  Resync,
} from '../../../../orchestrator/src/link/index.ts';
import { createLogger } from '../../../../orchestrator/src/log.ts';
import { DATABASE_FILE, openStore, type Store } from '../../../../orchestrator/src/store/index.ts';
import { Events } from '../../../../orchestrator/src/sync/index.ts';
import type { SenderEnv } from './contract.ts';
import { factOf } from './fact.ts';
import type { Path } from './path.ts';
import { Progress } from './progress.ts';

const log = createLogger({ level: 'warn', production: true, out: process.stderr });

/** The control log's sending half, watched. */
class WatchedOutbox extends Outbox {
  readonly acks = new Progress();
  readonly projections = new Progress();
  /** The last position that this process wrote. */
  last = 0;

  override appendAll(bodies: readonly string[]): number {
    const first = super.appendAll(bodies);
    this.last = first + bodies.length - 1;
    return first;
  }

  override acknowledge(applied: number): number {
    const first = super.acknowledge(applied);
    this.acks.moveTo(applied);
    return first;
  }

  override project(projected: number): void {
    super.project(projected);
    this.projections.moveTo(projected);
  }
}

/** The orchestrator's own store, events, logs and link, and nothing else of it. */
export class Product implements Path {
  readonly acked: Progress;
  readonly projected: Progress;
  readonly #env: SenderEnv;
  readonly #store: Store;
  readonly #events: Events;
  readonly #outbox: WatchedOutbox;
  readonly #logs: DurableLogs;
  readonly #link: Link;
  #over: Promise<void> = Promise.resolve();
  #made = 0;

  constructor(env: SenderEnv) {
    this.#env = env;
    this.#store = openStore(env.DATA_DIR, env.ORCHESTRATOR_ID);
    const { sql } = this.#store;
    const options = { sql, now: clock.now, newLogId: randomUUID, lazyPositions: true, gather: true };
    this.#outbox = new WatchedOutbox({ ...options, log: 'control' });
    this.acked = this.#outbox.acks;
    this.projected = this.#outbox.projections;
    this.#events = new Events({ sql, outbox: this.#outbox, now: clock.now, random: randomBytes });
    const queue = new Outbox({ ...options, log: 'queue' });
    this.#logs = new DurableLogs(this.#log('control', this.#outbox), this.#log('queue', queue));
    this.#link = this.#createLink(loadIdentity(env.KEY_FILE));
  }

  async connect(): Promise<void> {
    this.#over = this.#link.runUntilStopped();
    await new Promise<void>((resolve) => {
      this.#link.state.subscribe(({ kind }) => kind === 'open' && resolve());
    });
    const { last } = this.#outbox.position();
    await this.acked.reaches(this.#outbox.depth === 0 ? 0 : last);
    this.acked.moveTo(last);
  }

  write(events: number): number {
    const { SITE_ID: siteId } = this.#env;
    const facts = Array.from({ length: events }, () => factOf(siteId, ++this.#made));
    this.#events.recordAll(facts);
    this.#logs.wake();
    return this.#outbox.last;
  }

  async close(): Promise<void> {
    await this.#link.stop(0);
    await this.#over;
    this.#store.close();
  }

  #log(name: LogName, outbox: Outbox): DurableLog {
    const { sql } = this.#store;
    return new DurableLog({
      name,
      sql,
      inbox: new Inbox(sql, name),
      outbox,
      file: join(this.#env.DATA_DIR, DATABASE_FILE),
      clock,
      log,
      onCommitted: () => undefined,
      onEmptied: () => undefined,
      lose: () => undefined,
    });
  }

  #createLink(identity: Identity): Link {
    const { EDGE_URL: edgeUrl, ORCHESTRATOR_ID: orchestratorId } = this.#env;
    const { now } = clock;
    const jti = () => randomUUID();
    const token = () => signChannelToken(identity, { orchestratorId, lane: 0, now: now(), jti: jti() });
    const refuse = () => Promise.reject(new Error('the benchmark answers no calls'));
    const noResync = new Resync({
      sql: this.#store.sql,
      clock,
      log,
      finish: () => 0,
      lose: () => undefined,
      complete: () => undefined,
      onComplete: () => undefined,
    });
    const instanceId = randomUUID();
    return new Link({
      dial: createDial({ edgeUrl, lane: 0, headers: () => ({ authorization: `Bearer ${token()}` }) }),
      backoff: new Backoff({ random: Math.random, now }),
      clock,
      log,
      services: { request: refuse, report: refuse },
      role: {
        kind: 'control',
        onApiBudget: () => {},
        logs: this.#logs,
        resync: noResync,
        status: () => STATUS,
        greeting: (): Hello => ({
          type: 'hello',
          protocol: [...PROTOCOL_VERSIONS],
          orchestratorId,
          lane: 0,
          lanes: 1,
          generation: this.#store.generation,
          instanceId,
          version: 'bench',
          capabilities: [],
          clockMs: now(),
          logs: this.#logs.positions(),
          sites: [],
        }),
      },
    });
  }
}

const STATUS: Status = {
  type: 'status',
  at: 0,
  version: 'bench',
  uptimeS: 0,
  memory: { rssBytes: 0, heapUsedBytes: 0 },
  queues: { inbox: 0, outbox: 0, deadLetters: 0 },
  sites: [],
  workers: [],
  tunnel: { state: 'not_configured' },
};
