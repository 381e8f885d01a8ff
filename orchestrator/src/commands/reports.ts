import { Failure, type Outbox, orchestratorCodec } from '@clawdbot/protocol';
import type { Logger } from '../log.ts';
import type { Outcome } from './outcome.ts';
import type { CommandRow, OpenCommand } from './table.ts';

export interface ReportsOptions {
  readonly outbox: Outbox;
  readonly now: () => number;
  readonly log: Logger;
  /** The outbox has new entries. Called inside transactions: act a turn later. */
  readonly onReport: () => void;
}

/** What the edge is told of commands, durably, in the caller's transaction; of local ones it hears nothing. */
export class Reports {
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Throws `Failure('log_full')`. */
  begun({ id, origin, started }: OpenCommand): void {
    if (origin === 'edge') this.#progress(id, started ? 'resumed' : 'running');
  }

  /** A full log must not fail the command itself: its result waits for room, a milestone does not. */
  milestone({ id, origin }: CommandRow, milestone: string, detail: string | undefined): void {
    if (origin === 'local') return;
    try {
      this.#progress(id, milestone, detail);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'log_full') throw error;
      this.#options.log.warn('a milestone was dropped: the log is full', { commandId: id, milestone });
    }
  }

  /** Throws `Failure('log_full')`. */
  ended({ id, origin }: CommandRow, outcome: Outcome): void {
    if (origin === 'local') return;
    const at = this.#options.now();
    this.#append({ type: 'command_result', commandId: id, at, ...outcome });
  }

  #progress(commandId: string, milestone: string, detail?: string): void {
    const more = detail === undefined ? {} : { detail: detail.slice(0, 2_000) };
    this.#append({ type: 'command_progress', commandId, at: this.#options.now(), milestone, ...more });
  }

  #append(entry: Parameters<typeof orchestratorCodec.encodeEntry>[0]): void {
    this.#options.outbox.append(orchestratorCodec.encodeEntry(entry));
    this.#options.onReport();
  }
}
