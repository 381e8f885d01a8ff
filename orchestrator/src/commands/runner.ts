import {
  type DeployResult,
  type DeployWorker,
  Failure,
  json,
  type Outbox,
  orderedId,
  type RandomBytes,
  type Sql,
} from '@clawdbot/protocol';
import type { BlobRef } from '../calls/index.ts';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../log.ts';
import { LeaseLost } from '../store/index.ts';
import { type CommandContext, carryOut, type Handlers } from './handler.ts';
import { LocalCommands } from './local.ts';
import { Cancelled, cancelled, expired, failed, type Outcome, Stopping } from './outcome.ts';
import { Reports } from './reports.ts';
import { type CommandBody, type CommandRow, CommandTable, type OpenCommand, type Origin } from './table.ts';

/** Commands at once: they wait for Cloudflare most of the time, and share its API budget. */
const PARALLEL = 4;
/** A command whose runs never end, since it brings the process down, must not keep the orchestrator in a loop. */
const ATTEMPTS_MAX = 20;
/** After a result that could not be stored (the log or the disk is full). */
const RETRY_MS = 5_000;
/** What a handler is given to come to its end once it was told to stop. */
const ABORT_MS = 1_000;
/** Ended commands are kept as long as the edge may still ask what became of them. */
const KEEP_ENDED_MS = 7 * 24 * 60 * 60 * 1000;

export interface RunnerOptions {
  readonly orchestratorId: string;
  readonly sql: Sql;
  readonly outbox: Outbox;
  readonly handlers: Handlers;
  readonly clock: Clock;
  /** The edge's time: a command's `expiresAt` is by its clock. */
  readonly edgeNow: () => number;
  readonly random: RandomBytes;
  readonly log: Logger;
  /** Pulls a blob from the edge. */
  readonly blob: (ref: BlobRef, signal: AbortSignal) => Promise<Uint8Array>;
  /** The outbox has new entries, or the status has changed. Called inside transactions: act a turn later. */
  readonly onChange: () => void;
  /** A newer process owns the database. */
  readonly onLeaseLost: (error: LeaseLost) => void;
}

interface Run {
  readonly command: OpenCommand;
  readonly abort: AbortController;
  readonly over: Promise<void>;
}

/**
 * Carries out commands: those of one key in their order, others side by side. Every change of a command's state
 * is committed together with the entry that tells the edge of it, so that neither is ever without the other.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #table: CommandTable;
  readonly #running = new Map<string, Run>();
  readonly #reports: Reports;
  readonly #local = new LocalCommands();
  readonly #stop = new AbortController();
  #cancelRetry: () => void = () => {};

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { sql, clock, outbox, log, onChange } = options;
    this.#table = new CommandTable(sql, clock.now);
    this.#reports = new Reports({ outbox, now: clock.now, log, onReport: onChange });
  }

  /** Takes up what an earlier process left, then whatever `wake` tells of. */
  start(): void {
    this.wake();
  }

  /** Forgets what ended long ago. */
  prune(): void {
    this.#table.prune(this.#options.clock.now() - KEEP_ENDED_MS);
  }

  /**
   * Takes a command from the edge, in the caller's transaction; call `wake` behind it. One that has ended
   * already (the edge's log was restored) gets its answer again, and is not run.
   */
  accept(body: CommandBody, origin: Exclude<Origin, 'local'>): void {
    if (this.#table.insert(body, origin)) return;
    const outcome = this.#table.outcome(body.commandId);
    if (outcome !== undefined) this.#reports.ended({ id: body.commandId, origin: 'edge' }, outcome);
  }

  /** Asks for a command to be stopped, in the caller's transaction; call `wake` behind it. */
  cancel(commandId: string, reason: string): void {
    this.#table.requestCancel(commandId, reason);
  }

  /** Asks for all open commands of a site to be stopped, as `cancel` does for one. */
  cancelSite(siteId: string, reason: string): void {
    this.#table.requestCancelOfSite(siteId, reason);
  }

  /** Runs a deployment that was given on this machine; the edge does not hear of it. Throws `Failure`. */
  async submitLocal(
    body: Omit<DeployWorker, 'commandId'>,
    modules: ReadonlyMap<string, Uint8Array>,
  ): Promise<DeployResult> {
    const { orchestratorId, clock, random } = this.#options;
    if (this.#stop.signal.aborted) throw new Failure('orchestrator_away', 'the orchestrator is stopping');
    const commandId = `cmd_${orchestratorId}_${orderedId(clock.now(), random)}`;
    this.#insertLocal({ ...body, commandId });
    const result = this.#local.result(commandId, modules);
    this.wake();
    return result;
  }

  #insertLocal(body: DeployWorker): void {
    try {
      this.#table.insert(body, 'local');
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      this.#leaseLost(error);
      throw new Failure('orchestrator_away', error.message);
    }
  }

  /** Looks for commands to start, and for running ones to cancel. Safe at any time outside a transaction. */
  wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelRetry();
    try {
      for (const [id, reason] of this.#table.cancelRequests()) {
        this.#running.get(id)?.abort.abort(new Cancelled(reason));
      }
      while (this.#running.size < PARALLEL && this.#startNext());
    } catch (error) {
      this.#storageFailed(error);
    }
  }

  /** Gives running commands `graceMs` to end, then stops them where they are: the next process takes them up. */
  async stop(graceMs: number): Promise<void> {
    const stopping = new Stopping('the orchestrator is stopping');
    this.#stop.abort(stopping);
    this.#cancelRetry();
    await this.#settled(graceMs);
    this.#abortAll(stopping);
    await this.#settled(ABORT_MS);
  }

  /** This process must commit nothing more: stops everything at once. */
  halt(error: Error): void {
    this.#stop.abort(error);
    this.#cancelRetry();
    this.#abortAll(error);
  }

  /** Resolves when nothing runs, or after `ms`. */
  async #settled(ms: number): Promise<void> {
    const late = new AbortController();
    const over = Promise.all([...this.#running.values()].map((run) => run.over));
    await Promise.race([over.then(() => late.abort()), pause(this.#options.clock, ms, late.signal)]);
  }

  #abortAll(reason: Error): void {
    for (const { abort } of this.#running.values()) abort.abort(reason);
    this.#local.giveUp(reason);
  }

  /** @returns whether there was one */
  #startNext(): boolean {
    const busy = [...this.#running.values()].map(({ command }) => command.key);
    const command = this.#table.next(busy);
    if (command === undefined) return false;
    const early = 'unreadable' in command ? unreadable(command.unreadable) : this.#earlyEnd(command);
    if (early !== undefined) this.#commitEnd(command, early);
    else if ('body' in command) this.#start(command);
    return true;
  }

  #start(command: OpenCommand): void {
    const { id, started, cancelReason, body } = command;
    const attempt = this.#options.sql.transaction(() => {
      this.#reports.begun(command, started ? 'resumed' : 'running');
      return this.#table.begin(id);
    });
    this.#options.log.info('a command runs', { commandId: id, type: body.type, attempt });
    const abort = new AbortController();
    if (cancelReason !== undefined) abort.abort(new Cancelled(cancelReason));
    this.#running.set(id, { command, abort, over: this.#run(command, abort) });
  }

  /** What ends a command without a run. One that has begun before must find out how far it got. */
  #earlyEnd({ body, started, attempts, cancelReason }: OpenCommand): Outcome | undefined {
    if (attempts >= ATTEMPTS_MAX) {
      const message = `the orchestrator was stopped ${attempts} times while it ran this command`;
      return { state: 'failed', error: { code: 'internal', message } };
    }
    if (started) return undefined;
    if (cancelReason !== undefined) return cancelled(cancelReason);
    return body.expiresAt !== undefined && body.expiresAt <= this.#options.edgeNow() ? expired() : undefined;
  }

  /** Never rejects. */
  async #run(command: OpenCommand, abort: AbortController): Promise<void> {
    const outcome = await this.#outcomeOf(command, abort.signal);
    while (outcome !== undefined && !this.#halted() && !this.#committed(command, outcome)) {
      // Stopping with a store that refuses: the command stays open, and is taken up at the next boot.
      if (this.#stop.signal.aborted) break;
      await pause(this.#options.clock, RETRY_MS, this.#stop.signal);
    }
    this.#running.delete(command.id);
    this.#options.clock.defer(() => this.wake());
  }

  /** Nothing more may be committed. A process that stops in order still commits what has come to its end. */
  #halted(): boolean {
    const { aborted, reason } = this.#stop.signal;
    return aborted && !(reason instanceof Stopping);
  }

  async #outcomeOf(command: OpenCommand, signal: AbortSignal): Promise<Outcome | undefined> {
    try {
      const result = await carryOut(this.#options.handlers, command.body, this.#contextOf(command, signal));
      return { state: 'succeeded', result: json.parse(result) };
    } catch (error) {
      if (error instanceof LeaseLost) this.#leaseLost(error);
      if (isStorageFault(error)) {
        // Nothing is known of the command but that it cannot be written down: it is taken up again, by its id.
        this.#options.log.error('the store failed under a command: it is tried again', { error });
        await pause(this.#options.clock, RETRY_MS, this.#stop.signal);
        return undefined;
      }
      const outcome = failed(error, signal);
      if (outcome?.state === 'failed' && !(error instanceof Failure)) {
        this.#options.log.error('a command failed inside the orchestrator', { commandId: command.id, error });
      }
      return outcome;
    }
  }

  #contextOf(command: OpenCommand, signal: AbortSignal): CommandContext {
    const { blob, log } = this.#options;
    const { commandId, siteId } = command.body;
    return {
      commandId,
      siteId,
      resumed: command.started,
      signal,
      log: log.child({ commandId }),
      progress: (milestone, detail) => {
        if (this.#running.has(commandId)) this.#reports.milestone(command, milestone, detail);
      },
      blob: async (ref) =>
        command.origin === 'edge' ? blob(ref, signal) : this.#local.module(commandId, ref.sha256),
    };
  }

  /** @returns false when the store refuses it for now */
  #committed(command: OpenCommand, outcome: Outcome): boolean {
    try {
      this.#commitEnd(command, outcome);
      return true;
    } catch (error) {
      this.#storageFailed(error);
      return false;
    }
  }

  #commitEnd(command: CommandRow, outcome: Outcome): void {
    const { id } = command;
    this.#options.sql.transaction(() => {
      this.#table.end(id, outcome);
      this.#reports.ended(command, outcome);
    });
    this.#options.log.info('a command has ended', { commandId: id, ...outcome });
    this.#local.ended(id, outcome);
    this.#options.onChange();
  }

  #leaseLost(error: LeaseLost): void {
    this.halt(error);
    this.#options.onLeaseLost(error);
  }

  /** A lost lease ends everything; anything else (a full disk, a full log) is tried again. */
  #storageFailed(error: unknown): void {
    if (error instanceof LeaseLost) {
      this.#leaseLost(error);
      return;
    }
    this.#options.log.error('the store refuses a command’s state: it is tried again', { error });
    this.#cancelRetry();
    this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => this.wake());
  }
}

/** SQLite's own: the disk is full, cannot be read, is locked. */
const isStorageFault = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_');

const unreadable = (why: string): Outcome => ({
  state: 'failed',
  error: { code: 'internal', message: `this version of the orchestrator cannot read the command: ${why}` },
});
