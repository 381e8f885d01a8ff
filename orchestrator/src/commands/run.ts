import { type DeployResult, Failure, json } from '@clawdbot/protocol';
import type { BlobRef, LaneTally, TallyRef } from '../calls/index.ts';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost, STORAGE_RETRY_MS } from '../store/index.ts';
import { ATTEMPTS_MAX, stoppedTooOften } from './early.ts';
import type { CommandContext } from './handler.ts';
import type { Ledger } from './ledger.ts';
import type { LocalCommands } from './local.ts';
import { Cancelled, failed, type Outcome, Stopping } from './outcome.ts';
import type { Deployment, OpenCommand } from './table.ts';

export interface RunOptions {
  readonly command: OpenCommand<Deployment>;
  readonly ledger: Ledger;
  readonly perform: (body: Deployment, context: CommandContext) => Promise<DeployResult>;
  readonly local: LocalCommands;
  /** Pulls a blob from the edge. */
  readonly blob: (ref: BlobRef, signal: AbortSignal) => Promise<Uint8Array>;
  /** Asks the edge for a secret of a site. */
  readonly secret: (siteId: string, name: string, signal: AbortSignal) => Promise<{ readonly value: string }>;
  /** What each lane of the edge has counted of a site's relayed requests. */
  readonly tallies: (ref: TallyRef, signal: AbortSignal) => Promise<readonly LaneTally[]>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The process stops (`Stopping`), or must commit nothing more. */
  readonly stop: AbortSignal;
  /** It has ended, and that is written down. */
  readonly onEnded: (command: OpenCommand<Deployment>, outcome: Outcome) => void;
  /** It waits for something for a while: another may run in its place. */
  readonly onAside: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

/** One command under way, from its handler's call until its end is committed. */
export class Run {
  readonly command: OpenCommand<Deployment>;
  /** Never rejects. */
  readonly over: Promise<void>;
  readonly #options: RunOptions;
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  #waits = 0;
  #isOver = false;

  constructor(options: RunOptions) {
    this.#options = options;
    this.command = options.command;
    const { cancelReason, attempts } = this.command;
    if (cancelReason !== undefined) this.abort(new Cancelled(cancelReason));
    else if (attempts >= ATTEMPTS_MAX) this.abort(stoppedTooOften(attempts));
    this.over = this.#run().finally(() => {
      this.#isOver = true;
    });
  }

  /** It only waits. */
  get isAside(): boolean {
    return this.#waits > 0;
  }

  /** A `Failure` lets it undo what it has done; anything else leaves it where it is. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
    if (!(reason instanceof Failure)) this.#stop.abort(reason);
  }

  async #run(): Promise<void> {
    const { clock, stop } = this.#options;
    const outcome = await this.#outcome();
    while (outcome !== undefined && !this.#mustNotCommit() && !this.#commit(outcome)) {
      // Stopping with a store that refuses: the command stays open, and is taken up at the next boot.
      if (stop.aborted) return;
      await pause(clock, STORAGE_RETRY_MS, stop);
    }
  }

  /** A process that stops in order still commits what has come to its end. */
  #mustNotCommit(): boolean {
    const { aborted, reason } = this.#options.stop;
    return aborted && !(reason instanceof Stopping);
  }

  /** @returns undefined when nobody has decided anything: the command stays open */
  async #outcome(): Promise<Outcome | undefined> {
    const { perform, clock, log, stop, onLeaseLost } = this.#options;
    try {
      const result = await perform(this.command.body, this.#context());
      return { state: 'succeeded', result: json.parse(result) };
    } catch (error) {
      if (error instanceof LeaseLost) onLeaseLost(error);
      if (isStorageFault(error)) {
        // Nothing is known of the command but that it cannot be written down: it is taken up again, by its id.
        await pause(clock, STORAGE_RETRY_MS, stop);
        return undefined;
      }
      const outcome = failed(error, this.#stop.signal);
      if (outcome?.state === 'failed' && !(error instanceof Failure)) {
        log.error('a command failed inside the orchestrator', { commandId: this.command.id, error });
      }
      return outcome;
    }
  }

  #context(): CommandContext {
    const { command, ledger, blob, secret, tallies, local, log, onAside } = this.#options;
    const { commandId, siteId, again = false } = command.body;
    const { signal } = this.#abort;
    return {
      commandId,
      siteId,
      resumed: command.started || again,
      signal,
      stop: this.#stop.signal,
      log: log.child({ commandId }),
      progress: (milestone, detail) => {
        if (!this.#isOver) ledger.milestone(command, milestone, detail);
      },
      blob: async (ref) =>
        command.origin === 'edge' ? blob(ref, signal) : local.module(commandId, ref.sha256),
      secret: async (name) => (await secret(siteId, name, signal)).value,
      tallies: (ref) => tallies({ siteId, ...ref }, signal),
      aside: async (work) => {
        this.#waits++;
        onAside();
        try {
          return await work();
        } finally {
          this.#waits--;
        }
      },
    };
  }

  /** @returns false when the store refuses it for now */
  #commit(outcome: Outcome): boolean {
    const { command, ledger, log, onEnded, onLeaseLost } = this.#options;
    try {
      if (ledger.end(command, outcome)) onEnded(command, outcome);
      return true;
    } catch (error) {
      if (error instanceof LeaseLost) onLeaseLost(error);
      else if (!isStorageFault(error)) log.warn('a result waits: it cannot be written yet', { error });
      return false;
    }
  }
}
