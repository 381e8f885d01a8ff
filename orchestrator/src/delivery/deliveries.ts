import { Failure, type Sql, type Webhook } from '@clawdbot/protocol';
import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost, STORAGE_RETRY_MS } from '../store/index.ts';
import { type Attempted, type AttemptPorts, attempt, type Told } from './attempt.ts';
import { type Attempt, type BookOptions, DeliveryBook, throughOf } from './book.ts';
import { Line } from './line.ts';
import { type Delivery, DeliveryTable } from './table.ts';

export interface DeliveriesOptions extends AttemptPorts, Pick<BookOptions, 'outbox' | 'jitter'> {
  readonly sql: Sql;
  /** The edge's time: by it requests expire. */
  readonly edgeNow: () => number;
  readonly log: Logger;
  /** The outbox has new entries. */
  readonly onReport: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** Of what customers sent, in memory at once, whatever the number of routes. */
const IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024;
/** Before the edge is asked again for what it could not send. */
const PULL_RETRY_MS = 2_000;

interface Ended extends Attempt {
  readonly line: Line;
}

/**
 * Delivers stored requests to their upstreams, each route by itself. What is to be done is in the database, what
 * becomes of it is written there with the entry that tells the edge; only attempts under way are in memory.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #table: DeliveryTable;
  readonly #book: DeliveryBook;
  readonly #lines = new Map<string, Line>();
  readonly #stopping = new AbortController();
  /** Written to the database since the last round. */
  #accepted: Webhook[] = [];
  #ended: Ended[] = [];
  #isFlushDue = false;
  #inFlight = 0;
  #inFlightBytes = 0;
  /** A route waits for memory that others use. */
  #isShort = false;
  #stopped = false;
  #onIdle: () => void = () => {};

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#table = new DeliveryTable(options.sql);
    this.#book = new DeliveryBook({ ...options, table: this.#table });
  }

  /** Takes up what an earlier process left. */
  start(): void {
    for (const { siteId, route } of this.#table.lines()) this.#pump(this.#lineOf(siteId, route));
  }

  /** Writes down what is to be delivered, in the transaction that takes its entry out of the inbox. */
  accept(webhook: Webhook): void {
    this.#table.insert(webhook);
    this.#accepted.push(webhook);
  }

  /** The site is gone: in the transaction that forgets it. */
  removeSite(siteId: string): void {
    this.#table.removeSite(siteId);
  }

  /** Behind the transactions of `accept`. */
  wake(): void {
    const accepted = this.#accepted;
    this.#accepted = [];
    const lines = new Set(accepted.map(({ siteId, route }) => this.#lineOf(siteId, route)));
    for (const line of lines) this.#pump(line);
    const behind = new Set([...lines].filter((line) => line.isBacklog));
    for (const { receiptId, siteId, route, awaited } of accepted) {
      if (awaited && behind.has(this.#lineOf(siteId, route))) this.#tell({ receiptId, attempts: 0 });
    }
  }

  /** Starts nothing more, and lets what is under way end for as long as that takes or is given. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(graceMs, resolve);
      this.#onIdle = () => {
        if (this.#inFlight > 0 || this.#ended.length > 0) return;
        cancel();
        resolve();
      };
      this.#onIdle();
    });
    this.halt();
  }

  /** Ends at once, and writes nothing more: what was under way is repeated, under its key, by whoever comes next. */
  halt(): void {
    this.#stopped = true;
    for (const line of this.#lines.values()) line.waits(() => {});
    this.#stopping.abort(new Failure('orchestrator_lost', 'the orchestrator has stopped'));
  }

  #lineOf(siteId: string, route: string): Line {
    const name = `${siteId} ${route}`;
    const line = this.#lines.get(name) ?? new Line({ siteId, route }, this.#table);
    this.#lines.set(name, line);
    return line;
  }

  #pumpAll(): void {
    this.#isShort = false;
    for (const line of this.#lines.values()) this.#pump(line);
  }

  #pump(line: Line): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const { start, waitUntil } = line.next(clock.now());
    if (waitUntil !== undefined)
      line.waits(clock.after(Math.max(0, waitUntil - clock.now()), () => this.#pump(line)));
    for (const delivery of start) {
      if (!this.#hasRoomFor(delivery)) {
        this.#isShort = true;
        return;
      }
      this.#begin(line, delivery);
    }
  }

  /** One is always taken, however large. */
  #hasRoomFor({ bytes }: Delivery): boolean {
    return this.#inFlight === 0 || this.#inFlightBytes + bytes <= IN_FLIGHT_BYTES_MAX;
  }

  #begin(line: Line, delivery: Delivery): void {
    const turn = line.started(delivery);
    if (delivery.expiresAt <= this.#options.edgeNow()) {
      turn.pass();
      this.#end({ line, delivery, attempted: { is: 'expired' } });
      return;
    }
    this.#inFlight++;
    this.#inFlightBytes += delivery.bytes;
    attempt(delivery, this.#options, turn, this.#stopping.signal)
      .catch((error: unknown) => this.#broken(delivery, error))
      .then((attempted) => {
        turn.pass();
        this.#inFlight--;
        this.#inFlightBytes -= delivery.bytes;
        if (attempted !== undefined) this.#end({ line, delivery, attempted });
        this.#onIdle();
      });
  }

  /** @returns nothing when the process stops, and else how an attempt went that has met a mistake of ours */
  #broken({ receiptId }: Delivery, error: unknown): Attempted | undefined {
    if (this.#stopping.signal.aborted) return undefined;
    this.#options.log.error('a delivery failed inside the orchestrator', { receiptId, error });
    const verdict = { is: 'refused', error: 'the orchestrator failed: see its log' } as const;
    return { is: 'tried', verdict, answer: undefined };
  }

  /** Those of one turn are written together: each transaction costs an fsync. */
  #end(ended: Ended): void {
    this.#ended.push(ended);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#options.clock.defer(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#stopping.signal.aborted) return;
    const ended = this.#ended;
    try {
      const told = this.#options.sql.transaction(() => ended.flatMap((one) => this.#book.write(one)));
      this.#ended = this.#ended.slice(ended.length);
      for (const one of told) this.#tell(one);
      this.#options.onReport();
    } catch (error) {
      this.#cannotWrite(error);
      return;
    }
    for (const { line, delivery, attempted } of ended) line.ended(delivery, throughOf(attempted));
    this.#tellHeldBack(ended);
    this.#goOn(ended);
    this.#onIdle();
  }

  /** A route has met its first failure: who waits behind it need not wait until their own deadline. */
  #tellHeldBack(ended: readonly Ended[]): void {
    const failed = ended.filter(
      ({ delivery, attempted }) => delivery.attempts === 0 && throughOf(attempted) === false,
    );
    for (const line of new Set(failed.map(({ line }) => line))) {
      for (const { receiptId, awaited } of line.heldBack()) {
        if (awaited) this.#tell({ receiptId, attempts: 0 });
      }
    }
  }

  /** The store fails, or the log has no room: what was tried is not tried again before that is written down. */
  #cannotWrite(error: unknown): void {
    if (error instanceof LeaseLost) {
      this.#options.onLeaseLost(error);
      return;
    }
    const { log, clock } = this.#options;
    if (!isStorageFault(error)) log.warn('deliveries wait: they cannot be written down yet', { error });
    this.#isFlushDue = true;
    clock.after(STORAGE_RETRY_MS, () => this.#flush());
  }

  #goOn(ended: readonly Ended[]): void {
    if (ended.some(({ attempted }) => attempted.is === 'undone')) {
      this.#options.clock.after(PULL_RETRY_MS, () => this.#pumpAll());
    } else if (this.#isShort) this.#pumpAll();
    else for (const line of new Set(ended.map(({ line }) => line))) this.#pump(line);
  }

  /** Best effort: who does not hear it gets the receipt. */
  #tell(told: Told): void {
    const { tell, log } = this.#options;
    tell(told, this.#stopping.signal).catch((error: unknown) => {
      log.debug('a customer may not have been told', { receiptId: told.receiptId, error });
    });
  }
}
