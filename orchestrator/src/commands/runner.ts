import {
  type DeployResult,
  type DeployWorker,
  Failure,
  orderedId,
  type RandomBytes,
  type Sql,
} from '@clawdbot/protocol';
import { pause } from '../clock.ts';
import { isStorageFault, LeaseLost, STORAGE_RETRY_MS } from '../store/index.ts';
import { Configs } from './configs.ts';
import { earlyEnd } from './early.ts';
import type { CommandContext, Handlers } from './handler.ts';
import { Ledger } from './ledger.ts';
import { LocalCommands } from './local.ts';
import { Cancelled, cancelled, type Outcome, Stopping, unreadable } from './outcome.ts';
import { Reports, type ReportsOptions } from './reports.ts';
import { Run, type RunOptions } from './run.ts';
import {
  type CommandBody,
  type CommandRow,
  CommandTable,
  type Deployment,
  type OpenCommand,
  type Origin,
} from './table.ts';

/** Deployments at once: they wait for Cloudflare most of the time, and share its API budget. */
const PARALLEL = 4;
/** What a handler is given to come to its end once it was told to stop. */
const ABORT_MS = 1_000;
/** Ended commands are kept as long as the edge may still ask what became of them. */
const KEEP_ENDED_MS = 7 * 24 * 60 * 60 * 1000;

export interface RunnerOptions
  extends Pick<RunOptions, 'clock' | 'blob' | 'secret' | 'tallies' | 'log' | 'onLeaseLost'>,
    Pick<ReportsOptions, 'outbox'> {
  readonly orchestratorId: string;
  readonly sql: Sql;
  readonly handlers: Handlers;
  /** The edge's time: a command's `expiresAt` is by its clock. */
  readonly edgeNow: () => number;
  readonly random: RandomBytes;
  /** Whether nothing may be started yet: a restored database does not know which commands have ended. */
  readonly awaitsResync: () => boolean;
  /** A transaction in which a config was applied was rolled back. */
  readonly onRolledBack: () => void;
  /** The outbox has new entries, or the status has changed. Called inside transactions: act a turn later. */
  readonly onChange: () => void;
}

/**
 * Carries out commands: deployments of one Worker, and edits of one site's config, in their order; all else side by
 * side. A deployment starts when every edit of its site that came before it has ended. Its variables are those of the
 * newest config that runs when it starts: never older than an edit before it, unless that was refused, cancelled or
 * expired; and newer when an edit behind it was quicker, since edits wait for no deployment. One that waits for another of its Worker
 * says so, and is given up for a newer one.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #table: CommandTable;
  readonly #ledger: Ledger;
  readonly #local = new LocalCommands();
  readonly #configs: Configs;
  readonly #running = new Map<string, Run>();
  readonly #stop = new AbortController();
  #cancelRetry: () => void = () => {};

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { sql, clock, outbox, log, onChange } = options;
    this.#table = new CommandTable(sql, clock.now);
    const reports = new Reports({ outbox, now: clock.now, log, onReport: onChange });
    this.#ledger = new Ledger(sql, this.#table, reports);
    this.#configs = new Configs({
      ...options,
      table: this.#table,
      ledger: this.#ledger,
      apply: options.handlers.update_config,
      onEnded: (command, outcome) => this.#ended(command, outcome),
    });
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
    this.#ledger.accept(body, origin);
  }

  /** Asks for a command to be stopped, in the caller's transaction; call `wake` behind it. */
  cancel(commandId: string, reason: string): void {
    this.#table.requestCancel(commandId, reason);
  }

  /** Asks for all open commands of a site to be stopped, as `cancel` does for one. */
  cancelSite(siteId: string, reason: string): void {
    this.#table.requestCancelOfSite(siteId, reason);
  }

  /**
   * Ends open commands that the edge knows as ended, in the caller's transaction: those that wait are not run,
   * those that run are stopped, and nothing is told of either. @returns how many there were
   */
  finish(commandIds: readonly string[]): number {
    const finished = this.#ledger.finish(commandIds);
    // Not cancelled: what it has done stays as it is.
    for (const id of finished) this.#running.get(id)?.abort(new Stopping('the edge knows it as ended'));
    return finished.length;
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
      this.#ledger.acceptLocal(body);
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
      if (this.#options.awaitsResync()) return;
      for (const [id, reason] of this.#table.cancelRequests()) {
        this.#running.get(id)?.abort(new Cancelled(reason));
      }
      // First: a deployment reads its site's config when it starts.
      if (this.#configs.applySome()) this.#options.clock.defer(() => this.wake());
      while (this.#active < PARALLEL && this.#startNext());
      this.#lookAtThoseThatWait();
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Gives running commands `graceMs` to end, then stops them where they are: the next process takes them up. */
  async stop(graceMs: number): Promise<void> {
    const stopping = new Stopping('the orchestrator is stopping');
    this.#stop.abort(stopping);
    this.#cancelRetry();
    // What bakes for an hour comes to no end in a moment.
    for (const run of this.#running.values()) if (run.isAside) run.abort(stopping);
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
    for (const run of this.#running.values()) run.abort(reason);
    this.#local.giveUp(reason);
  }

  get #active(): number {
    return [...this.#running.values()].filter((run) => !run.isAside).length;
  }

  #lookAtThoseThatWait(): void {
    const runs = [...this.#running.values()].map(({ command }) => command);
    for (const command of this.#table.overtaken(runs.map(({ key }) => key))) {
      const outcome = cancelled('superseded');
      if (this.#ledger.end(command, outcome)) this.#ended(command, outcome);
    }
    for (const { key, id } of runs)
      for (const command of this.#table.waiting(key)) this.#ledger.waits(command, id);
  }

  /** @returns whether there was one */
  #startNext(): boolean {
    const busy = [...this.#running.values()].map(({ command }) => command.key);
    const command = this.#table.nextDeployment(busy);
    if (command === undefined) return false;
    const early =
      'unreadable' in command ? unreadable(command.unreadable) : earlyEnd(command, this.#options.edgeNow());
    if (early === undefined && 'body' in command) this.#start(command);
    else if (early !== undefined && this.#ledger.end(command, early)) this.#ended(command, early);
    return true;
  }

  #start(command: OpenCommand<Deployment>): void {
    const { handlers, blob, secret, tallies, clock, log } = this.#options;
    this.#ledger.begin(command);
    log.info('a command runs', { commandId: command.id, type: command.body.type, resumed: command.started });
    const run = new Run({
      ...{ command, blob, secret, tallies, clock, log },
      perform: (body, context) => perform(handlers, body, context),
      ledger: this.#ledger,
      local: this.#local,
      stop: this.#stop.signal,
      onEnded: (ended, outcome) => this.#ended(ended, outcome),
      onAside: () => clock.defer(() => this.wake()),
      onLeaseLost: (error) => this.#leaseLost(error),
    });
    this.#running.set(command.id, run);
    run.over.then(() => {
      this.#running.delete(command.id);
      clock.defer(() => this.wake());
    });
  }

  #ended({ id }: CommandRow, outcome: Outcome): void {
    this.#options.log.info('a command has ended', { commandId: id, ...outcome });
    this.#local.ended(id, outcome);
    this.#options.onChange();
  }

  #leaseLost(error: LeaseLost): void {
    this.halt(error);
    this.#options.onLeaseLost(error);
  }

  /** A lost lease ends everything; anything else (a full disk, a full log) is tried again. */
  #refused(error: unknown): void {
    if (error instanceof LeaseLost) {
      this.#leaseLost(error);
      return;
    }
    const { log, clock } = this.#options;
    if (!isStorageFault(error)) log.warn('commands wait: their state cannot be written yet', { error });
    this.#cancelRetry();
    this.#cancelRetry = clock.after(STORAGE_RETRY_MS, () => this.wake());
  }
}

function perform(handlers: Handlers, body: Deployment, context: CommandContext): Promise<DeployResult> {
  switch (body.type) {
    case 'deploy_worker':
      return handlers.deploy_worker(body, context);
    case 'rollback_worker':
      return handlers.rollback_worker(body, context);
    case 'adopt_worker':
      return handlers.adopt_worker(body, context);
  }
}
