import { join } from 'node:path';
import { CONTROL_LANE, type LogName, type RandomBytes, type Status, type Welcome } from '@clawdbot/protocol';
import type { Services } from './calls/index.ts';
import type { Clock } from './clock.ts';
import { type Handlers, Runner } from './commands/index.ts';
import { createUpstream, Deliveries } from './delivery/index.ts';
import { dispatch } from './dispatch.ts';
import { Greeting } from './greeting.ts';
import type { Ground } from './ground.ts';
import { DeadLetters, InboxLoop } from './inbox/index.ts';
import {
  Backoff,
  type Dial,
  DurableLog,
  DurableLogs,
  Lanes,
  type Link,
  type LinkOptions,
  Resync,
} from './link/index.ts';
import type { Logger } from './log.ts';
import { awaitsResync, DATABASE_FILE, endRestore } from './store/index.ts';
import { PRUNE_ROWS } from './sync/index.ts';

/** Rows of a log in one transaction: some 20 ms, in which no call is answered. */
const COMPACT_ROWS = 5_000;

export interface CoreOptions {
  readonly ground: Ground;
  readonly orchestratorId: string;
  readonly dataDir: string;
  readonly lanes: number;
  /** Of the software. */
  readonly version: string;
  /** Random, one per process. */
  readonly instanceId: string;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** From 0 up to, not including, 1: spreads the dials. */
  readonly jitter: () => number;
  readonly log: Logger;
  readonly dial: (lane: number) => Dial;
  readonly handlers: Handlers;
  /** A site is deleted: the names of its Workers are free. In a transaction. */
  readonly releaseWorkers: (siteId: string, isMoved: boolean) => void;
  /** The edge has welcomed this process, and said how much of Cloudflare's API it may use. */
  readonly onApiBudget: (budget: Welcome['apiBudget']) => void;
  /** What the edge may ask without a log. */
  readonly services: Services;
  readonly status: () => Status;
  /** This process has been told for good to do nothing more. */
  readonly onHalt: () => void;
}

/**
 * The durable way through the orchestrator, whatever dials and whatever is done. An entry goes link → inbox →
 * dispatch → commands, and what became of it back through the outbox.
 */
export class Core {
  readonly lanes: Lanes;
  /** Lane 0's. */
  readonly link: Link;
  readonly runner: Runner;
  readonly letters: DeadLetters;
  readonly #deliveries: Deliveries;
  readonly #options: CoreOptions;
  readonly #logs: DurableLogs;
  readonly #entries: InboxLoop;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#logs = new DurableLogs(this.#createLog('control'), this.#createLog('queue'));
    this.lanes = this.#createLanes();
    this.link = this.lanes.control;
    this.runner = this.#createRunner();
    this.letters = this.#createLetters();
    this.#deliveries = this.#createDeliveries();
    this.#entries = this.#createInboxLoop();
    this.link.state.subscribe((state) => state.kind === 'refused' && this.halt(new Error(state.reason)));
  }

  /** Takes up what an earlier process left, and keeps the channel up. @returns when all lanes are over */
  run(): Promise<void> {
    this.runner.start();
    this.#deliveries.start();
    this.#entries.wake();
    return this.lanes.runUntilStopped();
  }

  /** What keeps the store small: each deletes a bounded number of rows, and says whether more are left. */
  readonly upkeep: readonly (() => boolean)[] = [
    () => this.#compact('control'),
    () => this.#compact('queue'),
    () => this.#options.ground.events.prune() === PRUNE_ROWS,
    () => {
      this.runner.prune();
      this.letters.tell();
      this.#drainEvents();
      return false;
    },
  ];

  #compact(log: LogName): boolean {
    return this.#options.ground.outboxes[log].compact(COMPACT_ROWS) === COMPACT_ROWS;
  }

  /** An outbox has new entries. Safe to call inside the transaction that writes them: it acts a turn later. */
  wake(): void {
    this.#logs.wake();
  }

  /** Lets what runs come to its end, for as long as each is given. */
  async stop({ commandsMs, callsMs }: { commandsMs: number; callsMs: number }): Promise<void> {
    this.#entries.stop();
    await Promise.all([
      this.runner.stop(commandsMs),
      this.#deliveries.stop(commandsMs),
      this.lanes.stop(callsMs),
    ]);
  }

  /** A newer process has taken over, or the edge has refused this one: it does nothing more. */
  readonly halt = (error: Error): void => {
    this.#entries.stop();
    this.#options.onHalt();
    this.runner.halt(error);
    this.lanes.refuse(error.message);
    this.#deliveries.halt();
  };

  /** Those that found the log full. */
  #drainEvents(): void {
    if (this.#options.ground.events.drain() > 0) this.#logs.wake();
  }

  #createLog(name: LogName): DurableLog {
    const { ground, clock, log, dataDir } = this.#options;
    return new DurableLog({
      name,
      sql: ground.sql,
      inbox: ground.inboxes[name],
      outbox: ground.outboxes[name],
      file: join(dataDir, DATABASE_FILE),
      clock,
      log,
      onCommitted: () => this.#entries.wake(),
      onEmptied: () => this.link.publishStatus(),
      lose: (ranges) => ground.losses.record(ranges),
    });
  }

  #createLanes(): Lanes {
    const { lanes, status, onApiBudget } = this.#options;
    const logs = this.#logs;
    const resync = this.#createResync();
    const greeting = new Greeting({ ...this.#options, positions: () => logs.positions() });
    const calls = Array.from({ length: lanes - 1 }, (_, index) => index + 1);
    return new Lanes(
      {
        ...this.#laneOptions(CONTROL_LANE),
        role: { kind: 'control', greeting: () => greeting.hello(), logs, resync, status, onApiBudget },
      },
      calls.map((lane) => ({
        ...this.#laneOptions(lane),
        lane,
        role: { kind: 'calls', greeting: () => greeting.join(lane) },
      })),
    );
  }

  #laneOptions(lane: number): Omit<LinkOptions, 'role'> {
    const { dial, jitter, clock, log, services } = this.#options;
    return {
      dial: dial(lane),
      backoff: new Backoff({ random: jitter, now: clock.now }),
      clock,
      log: lane === CONTROL_LANE ? log : log.child({ lane }),
      services,
    };
  }

  #createResync(): Resync {
    const { ground, clock, log } = this.#options;
    const { sql, losses } = ground;
    return new Resync({
      sql,
      clock,
      log,
      finish: (commandIds) => this.runner.finish(commandIds),
      lose: (ranges) => losses.record(ranges),
      complete: () => endRestore(sql),
      onComplete: () => this.runner.wake(),
    });
  }

  #createRunner(): Runner {
    const { ground, orchestratorId, handlers, clock, random, log } = this.#options;
    const { sql, outboxes } = ground;
    return new Runner({
      orchestratorId,
      sql,
      outbox: outboxes.control,
      handlers,
      clock,
      edgeNow: () => this.link.edgeNow,
      random,
      log,
      blob: (ref, signal) => this.link.edge.blob(ref, signal),
      secret: (siteId, name, signal) => this.link.edge.secret(siteId, name, signal),
      tallies: (ref, signal) => this.lanes.tallies(ref, signal),
      onRolledBack: () => ground.settings.reload(),
      awaitsResync: () => awaitsResync(sql),
      onChange: () => {
        this.#logs.wake();
        this.link.publishStatus();
      },
      onLeaseLost: this.halt,
    });
  }

  #createLetters(): DeadLetters {
    const { ground, clock, log } = this.#options;
    const { sql, inboxes, outboxes } = ground;
    const onChange = () => {
      this.#entries.wake();
      this.#logs.wake();
      this.link.publishStatus();
    };
    return new DeadLetters({ sql, inboxes, outbox: outboxes.control, now: clock.now, log, onChange });
  }

  #createDeliveries(): Deliveries {
    const { ground, services, clock, jitter, log } = this.#options;
    const { sql, outboxes, settings } = ground;
    return new Deliveries({
      ...{ sql, clock, jitter, log },
      ...createUpstream({
        configOf: (siteId) => settings.configOf(siteId),
        request: (call) => services.request(call),
        clock,
      }),
      outbox: outboxes.queue,
      edgeNow: () => this.link.edgeNow,
      pull: (ref, signal) => this.link.edge.parcel(ref, signal),
      tell: (told, signal) => this.link.edge.answerReceipt(told, signal),
      onReport: () => this.#logs.wake(),
      onLeaseLost: this.halt,
    });
  }

  #createInboxLoop(): InboxLoop {
    const { ground, clock, log } = this.#options;
    const { sql, inboxes, settings, shared } = ground;
    const publishStatus = () => this.link.publishStatus();
    const { runner: commands, letters } = this;
    const deliveries = this.#deliveries;
    const { releaseWorkers } = this.#options;
    const rooms = { commands, settings, shared, letters, deliveries, releaseWorkers, publishStatus };
    return new InboxLoop({
      sql,
      inboxes,
      letters: this.letters,
      dispatch: (entry, item) => dispatch(entry, item, rooms),
      clock,
      log,
      onDispatched: () => {
        this.runner.wake();
        deliveries.wake();
      },
      onLeaseLost: this.halt,
    });
  }
}
