import {
  type EntryToEdge,
  edgeCodec,
  encodeParcel,
  Failure,
  type HeaderList,
  Outbox,
  sha256Of,
  type Webhook,
} from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { DeliveryCall, DeliveryReply, Told } from './attempt.ts';
import { Deliveries } from './deliveries.ts';

/** An attempt that the upstream has and has not answered. */
export interface Arrived {
  readonly id: string;
  readonly call: DeliveryCall;
  answer(status: number, headers?: HeaderList): void;
  refuse(failure: Failure): void;
}

/** Deliveries over a real database, between an edge and upstreams that a test plays. */
export class Bench {
  readonly clock = new ManualClock();
  readonly db = new Sqlite(':memory:');
  readonly sql = createSql(this.db);
  /** What the upstreams have now, in the order in which it came. */
  readonly arrived: Arrived[] = [];
  /** Every attempt, by receipt. */
  readonly attempts: string[] = [];
  readonly told: Told[] = [];
  /** Receipts that the edge has settled. */
  readonly settled = new Set<string>();
  /** Receipts whose parcels the edge cannot read. */
  readonly unreadable = new Set<string>();
  /** Receipts whose customer waits. */
  readonly waiting = new Set<string>();
  room = Number.POSITIVE_INFINITY;
  #made = 0;
  #outbox: Outbox;
  deliveries: Deliveries;

  constructor() {
    for (const migrate of MIGRATIONS) migrate(this.sql);
    const { now } = this.clock;
    this.#outbox = new Outbox({ sql: this.sql, log: 'queue', now, newLogId: () => 'log-of-test' });
    this.deliveries = this.#create();
  }

  #create(): Deliveries {
    const { clock, sql } = this;
    return new Deliveries({
      ...{ clock, sql },
      outbox: { append: (body) => this.#append(body) },
      edgeNow: clock.now,
      jitter: () => 0.999,
      log: recordingLogger().log,
      pull: async ({ receiptId = '' }) => {
        if (this.unreadable.has(receiptId)) throw new Failure('blob_missing', 'another SECRETS_KEY');
        if (this.settled.has(receiptId)) throw new Failure('not_found', 'it is delivered');
        return this.parcel;
      },
      send: (call) => this.#send(call),
      timeoutMs: () => 10_000,
      tell: async (told) => {
        this.told.push(told);
        const handedOn = told.answer !== undefined && this.waiting.delete(told.receiptId);
        if (handedOn) this.settled.add(told.receiptId);
        return handedOn;
      },
      onReport: () => {},
      onLeaseLost: () => {},
    });
  }

  readonly parcel = encodeParcel(
    { method: 'POST', url: '/hooks/a?b', headers: [['idempotency-key', 'own']], requestId: 'r' },
    Uint8Array.of(1, 2),
  );

  /** Entries of the edge, all in one transaction. @returns their receipts */
  accept(count: number, { route = '/hooks/*', ageMs = 1_000_000, awaited = true } = {}): string[] {
    const made = Array.from({ length: count }, () => this.webhook(route, ageMs, awaited));
    this.sql.transaction(() => {
      for (const webhook of made) this.deliveries.accept(webhook);
    });
    this.deliveries.wake();
    return made.map(({ receiptId }) => receiptId);
  }

  webhook(route: string, ageMs: number, awaited: boolean): Webhook {
    const at = this.clock.now();
    return {
      type: 'webhook',
      receiptId: `rcpt_vps_${String(++this.#made).padStart(16, '0')}`,
      siteId: 'shop',
      route,
      parcel: { sha256: sha256Of(this.parcel), bytes: this.parcel.length },
      receivedAt: at,
      expiresAt: at + ageMs,
      ...(awaited ? { awaited } : {}),
    };
  }

  /** Lets what is under way go as far as it can by itself. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise(setImmediate);
      this.clock.flush();
    }
  }

  /** The upstream answers what it has, as long as more comes. */
  async answerAll(status: number): Promise<void> {
    for (await this.settle(); this.arrived.length > 0; await this.settle()) {
      for (const arrived of this.arrived.splice(0)) arrived.answer(status);
    }
  }

  /** The process dies, and another takes the database up. */
  restart(): void {
    this.deliveries.halt();
    this.arrived.length = 0;
    this.deliveries = this.#create();
    this.deliveries.start();
  }

  /** What the edge is told, of one receipt or all. */
  reports(id?: string): Extract<EntryToEdge, { type: 'receipt' }>[] {
    return this.sql.run(`SELECT body FROM log_outbox WHERE log = 'queue' ORDER BY seq`).flatMap((row) => {
      const read = edgeCodec.decodeEntry(String(row['body']));
      if ('error' in read || read.body.type !== 'receipt') throw new Error('no receipt');
      return id === undefined || read.body.receiptId === id ? [read.body] : [];
    });
  }

  states = (id: string): string[] => this.reports(id).map(({ state }) => state);
  get left(): number {
    return Number(this.sql.run(`SELECT COUNT(*) AS n FROM deliveries`)[0]?.['n']);
  }

  #append(body: string): number {
    if (this.room-- <= 0) throw new Failure('log_full', 'the queue log is full');
    return this.#outbox.append(body);
  }

  #send(call: DeliveryCall): Promise<DeliveryReply> {
    const id = call.head.headers.find(([name]) => name === 'idempotency-key')?.[1] ?? '';
    this.attempts.push(id);
    const { promise, resolve, reject } = Promise.withResolvers<DeliveryReply>();
    call.signal.addEventListener('abort', () => reject(call.signal.reason));
    const answer = (status: number, headers: HeaderList = []) =>
      resolve({ status, headers, body: new TextEncoder().encode(`answer ${status}`) });
    this.arrived.push({ id, call, answer, refuse: reject });
    return promise;
  }
}
