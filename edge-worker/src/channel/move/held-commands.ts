import { commandType, int, type Outbox, type Sql, type SqlRow, text } from '@clawdbot/protocol';
import type { Blobs } from '../blobs.ts';
import { withdrawn } from '../command-entry.ts';
import type { CommandQueue } from '../command-queue.ts';
import type { Commands } from '../commands.ts';
import type { Deployments } from '../deployments.ts';
import { HELD } from '../receipt-row.ts';
import type { Cargo } from './cargo.ts';
import type { PackedCommand } from './rpc.ts';

export interface HeldCommandsParts {
  readonly sql: Sql;
  readonly cargo: Pick<Cargo, 'insert'>;
  /** Of the control log. */
  readonly outbox: Outbox;
  readonly commands: Pick<Commands, 'arrive' | 'forget' | 'move' | 'moveTo'>;
  readonly commandQueue: Pick<CommandQueue, 'queued'>;
  readonly deployments: Pick<Deployments, 'asked' | 'forget'>;
  readonly blobs: Pick<Blobs, 'release'>;
  readonly now: () => number;
}

/** Where commands go to, and whose generation is the desired one there. */
interface Arrived {
  readonly moveId: string;
  readonly siteId: string;
  readonly source: string;
  readonly generation: number;
}

/**
 * Commands that were never on a wire, of sites that are being moved: out of the log here until it is decided where the
 * site is, in their order. So none of them is sent by one object and brought along by another. What the orchestrator has,
 * or may have, is never among them: nobody knows whether it has run.
 */
export class HeldCommands {
  readonly #parts: HeldCommandsParts;

  constructor(parts: HeldCommandsParts) {
    this.#parts = parts;
  }

  /** Takes a site's commands out of the log. In the caller's transaction. @returns how many */
  hold(siteId: string, moveId: string): number {
    const { sql, outbox, commands, commandQueue } = this.#parts;
    const queued = commandQueue.queued(siteId);
    for (const { id, seq } of queued) {
      const body = outbox.body(seq);
      if (body === undefined || !outbox.replace(seq, withdrawn(id))) continue;
      sql.run(
        `INSERT INTO held_commands (command_id, move_id, site_id, n, body) VALUES (?, ?, ?, ?, ?)`,
        ...[id, moveId, siteId, seq, body],
      );
      commands.moveTo(id, HELD);
    }
    return queued.length;
  }

  /** Each with its row and its history, in their order. */
  *pack(moveId: string): Generator<PackedCommand> {
    const { sql } = this.#parts;
    for (const held of sql.run(`SELECT * FROM held_commands WHERE move_id = ? ORDER BY n`, moveId)) {
      const commandId = text(held, 'command_id');
      const [command] = sql.run(`SELECT * FROM commands WHERE id = ?`, commandId);
      const history = sql.run(`SELECT * FROM command_history WHERE command_id = ?`, commandId);
      const [n, body] = [int(held, 'n'), text(held, 'body')];
      if (command !== undefined) yield { commandId, n, body, command, history };
    }
  }

  /** The new object keeps it until it owns the site. In the caller's transaction. */
  keep({ commandId, n, body, ...row }: PackedCommand, moveId: string, siteId: string): void {
    this.#parts.sql.run(
      `INSERT OR REPLACE INTO held_commands (command_id, move_id, site_id, n, body, packed) VALUES (?, ?, ?, ?, ?, ?)`,
      ...[commandId, moveId, siteId, n, body, JSON.stringify(row)],
    );
  }

  /**
   * The site is this object's: its commands are, too, and get their entries by `letGo`. An edit that a later one follows is
   * not sent: the desired config, which is applied here already, has it. In the caller's transaction.
   */
  own({ moveId, siteId, source, generation }: Arrived): void {
    const { sql, commands, deployments, blobs, now } = this.#parts;
    const reason = `the site was moved here from ${source}`;
    for (const held of this.#of(moveId)) {
      const commandId = text(held, 'command_id');
      const { command, history }: Pick<PackedCommand, 'command' | 'history'> = JSON.parse(
        text(held, 'packed'),
      );
      const [type, name] = [commandType.parse(command['type']), text(command, 'subject')];
      const isOld = type === 'update_config' && int(command, 'generation') < generation;
      this.#put(command, history);
      commands.arrive(commandId, reason);
      if (type !== 'update_config') deployments.asked({ commandId, siteId, type, name });
      sql.run(`DELETE FROM moved_commands WHERE command_id = ?`, commandId);
      if (!isOld) continue;
      commands.move(commandId, 'cancelled', now(), { reason: 'superseded' });
      blobs.release(commandId);
      sql.run(`DELETE FROM held_commands WHERE command_id = ?`, commandId);
    }
    sql.run(`UPDATE held_commands SET packed = NULL WHERE move_id = ?`, moveId);
  }

  #put(command: SqlRow, history: readonly SqlRow[]): void {
    const { sql, cargo } = this.#parts;
    const key = command['idempotency_key'] ?? null;
    // Then a repeat is told that the key is taken, and makes no second command.
    const isTaken = sql.run(`SELECT 1 FROM commands WHERE idempotency_key = ?`, key).length > 0;
    cargo.insert('commands', { ...command, seq: HELD, idempotency_key: isTaken ? null : key });
    for (const note of history) cargo.insert('command_history', note);
  }

  /** They get their entries, in their order. In the caller's transaction. Throws `Failure('log_full')`. */
  letGo(moveId: string): void {
    const { sql, outbox, commands } = this.#parts;
    for (const held of this.#of(moveId))
      commands.moveTo(text(held, 'command_id'), outbox.append(text(held, 'body')));
    sql.run(`DELETE FROM held_commands WHERE move_id = ?`, moveId);
  }

  /** They have gone along: their ids lead there from here on. In the caller's transaction. */
  leave(moveId: string): void {
    const { sql, commands, deployments, blobs } = this.#parts;
    for (const held of this.#of(moveId)) {
      const id = text(held, 'command_id');
      commands.forget(id);
      deployments.forget(id);
      blobs.release(id);
      sql.run(`INSERT OR REPLACE INTO moved_commands VALUES (?, ?)`, id, moveId);
    }
    sql.run(`DELETE FROM held_commands WHERE move_id = ?`, moveId);
  }

  /** The move is undone, and this object was the new one. In the caller's transaction. */
  drop(moveId: string): void {
    for (const held of this.#of(moveId)) this.#parts.blobs.release(text(held, 'command_id'));
    this.#parts.sql.run(`DELETE FROM held_commands WHERE move_id = ?`, moveId);
  }

  /** The move with which a command has left. */
  moveOf(commandId: string): string | undefined {
    const [row] = this.#parts.sql.run(`SELECT move_id FROM moved_commands WHERE command_id = ?`, commandId);
    return row === undefined ? undefined : text(row, 'move_id');
  }

  #of(moveId: string): SqlRow[] {
    return this.#parts.sql.run(`SELECT * FROM held_commands WHERE move_id = ? ORDER BY n`, moveId);
  }
}
