import type { DeployWorker, Sql } from '@clawdbot/protocol';
import { cancelled, type Outcome } from './outcome.ts';
import type { Reports } from './reports.ts';
import type { CommandBody, CommandRow, CommandTable, OpenCommand, Origin } from './table.ts';

/** Commands, and what the edge is told of them: every change is committed together with the entry that tells it. */
export class Ledger {
  readonly #sql: Sql;
  readonly #table: CommandTable;
  readonly #reports: Reports;

  constructor(sql: Sql, table: CommandTable, reports: Reports) {
    this.#sql = sql;
    this.#table = table;
    this.#reports = reports;
  }

  /** In the caller's transaction. One that has ended already gets its answer again, and is not run. */
  accept(body: CommandBody, origin: Exclude<Origin, 'local'>): void {
    if (this.#table.insert(body, origin)) return;
    const outcome = this.#table.outcome(body.commandId);
    if (outcome !== undefined) this.#reports.ended({ id: body.commandId, origin: 'edge' }, outcome);
  }

  acceptLocal(body: DeployWorker): void {
    this.#table.insert(body, 'local');
  }

  /** Before anything is done for a command, so that a process that comes later knows that it may have been. */
  begin(command: OpenCommand): void {
    this.#sql.transaction(() => {
      this.#reports.begun(command);
      this.#table.begin(command.id);
    });
  }

  milestone(command: CommandRow, milestone: string, detail: string | undefined): void {
    this.#table.progressed(command.id);
    this.#reports.milestone(command, milestone, detail);
  }

  /** Says that a command waits for another one, once. */
  waits(command: CommandRow, forId: string): void {
    this.#sql.transaction(() => {
      this.#table.waits(command.id, forId);
      this.#reports.milestone(command, 'waiting', `for ${forId}, which deploys the same Worker`);
    });
  }

  /** @returns false when the edge has said meanwhile that it has ended: then nothing is told */
  end(command: CommandRow, outcome: Outcome): boolean {
    return this.#sql.transaction(() => {
      if (!this.#table.end(command.id, outcome)) return false;
      this.#reports.ended(command, outcome);
      return true;
    });
  }

  /**
   * Ends those that are open, in the caller's transaction, without telling the edge, which knows it.
   * @returns their ids
   */
  finish(commandIds: readonly string[]): string[] {
    return commandIds.filter((id) => this.#table.end(id, KNOWN_AS_ENDED));
  }
}

/** How they ended is known at the edge alone. */
const KNOWN_AS_ENDED = cancelled('the edge knows it as ended');
