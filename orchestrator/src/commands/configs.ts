import { Failure, json, type Sql, type UpdateConfig } from '@clawdbot/protocol';
import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost } from '../store/index.ts';
import { earlyEnd } from './early.ts';
import type { Handlers } from './handler.ts';
import type { Ledger } from './ledger.ts';
import { failedWith, type Outcome, unreadable } from './outcome.ts';
import type { CommandRow, CommandTable, OpenCommand, UnreadableCommand } from './table.ts';

export interface ConfigsOptions {
  readonly sql: Sql;
  readonly table: CommandTable;
  readonly ledger: Ledger;
  readonly apply: Handlers['update_config'];
  /** What `apply` keeps in memory is not what the database says. */
  readonly onRolledBack: () => void;
  /** The edge's time. */
  readonly edgeNow: () => number;
  readonly log: Logger;
  readonly onEnded: (command: CommandRow, outcome: Outcome) => void;
}

/** In one transaction and one turn: a thousand edits that waited cost twenty fsyncs, and no request waits long. */
const SLICE = 50;

type Waiting = OpenCommand<UpdateConfig> | UnreadableCommand;

/** Commands that only write to the database: each is begun, carried out and ended in one transaction. */
export class Configs {
  readonly #options: ConfigsOptions;

  constructor(options: ConfigsOptions) {
    this.#options = options;
  }

  /** Carries out the oldest that wait, in their order. @returns whether there may be more */
  applySome(): boolean {
    const commands = this.#options.table.configs(SLICE);
    if (commands.length === 0) return false;
    if (!this.#together(commands)) for (const command of commands) this.#alone(command);
    return commands.length === SLICE;
  }

  /** @returns false when one of them has a fault of ours: none was carried out then */
  #together(commands: readonly Waiting[]): boolean {
    try {
      this.#commit(commands, (command) => this.#outcome(command));
      return true;
    } catch (error) {
      if (error instanceof LeaseLost || isStorageFault(error) || isFull(error)) throw error;
      return false;
    }
  }

  #alone(command: Waiting): void {
    if (this.#together([command])) return;
    const message = 'the orchestrator failed while it ran this command: see its log';
    this.#commit([command], () => failedWith(new Failure('internal', message)));
  }

  #commit(commands: readonly Waiting[], outcomeOf: (command: Waiting) => Outcome): void {
    const { sql, ledger, onRolledBack, onEnded } = this.#options;
    const ended: [Waiting, Outcome][] = [];
    try {
      sql.transaction(() => {
        for (const command of commands) {
          const outcome = outcomeOf(command);
          if (ledger.end(command, outcome)) ended.push([command, outcome]);
        }
      });
    } catch (error) {
      onRolledBack();
      throw error;
    }
    for (const [command, outcome] of ended) onEnded(command, outcome);
  }

  /** A refusal is an answer like any other; what else is thrown undoes the transaction. */
  #outcome(command: Waiting): Outcome {
    const { ledger, apply, edgeNow, log } = this.#options;
    if ('unreadable' in command) return unreadable(command.unreadable);
    // One that an earlier version has begun is as good as new: nothing is done outside of this transaction.
    const early = earlyEnd({ ...command, started: false }, edgeNow());
    if (early !== undefined) return early;
    ledger.begin(command);
    try {
      return { state: 'succeeded', result: json.parse(apply(command.body)) };
    } catch (error) {
      if (error instanceof Failure && !isFull(error)) return failedWith(error);
      if (!isStorageFault(error))
        log.error('a config could not be applied', { commandId: command.id, error });
      throw error;
    }
  }
}

const isFull = (error: unknown): boolean => error instanceof Failure && error.code === 'log_full';
