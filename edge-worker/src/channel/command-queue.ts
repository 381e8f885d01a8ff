import {
  type Command,
  type CommandType,
  commandType,
  int,
  type Outbox,
  type Sql,
  text,
} from '@clawdbot/protocol';

/** A command whose entry was never on a wire. */
export interface QueuedCommand {
  readonly id: string;
  readonly seq: number;
  readonly type: CommandType;
}

export interface CommandQueueParts {
  readonly sql: Sql;
  /** Of the control log: what it has offered, the orchestrator has, or may have. */
  readonly outbox: Pick<Outbox, 'offered'>;
  readonly now: () => number;
}

/**
 * Commands that have not ended, of a site or of all: those that never left can be taken back here; what became of the
 * rest only the orchestrator knows.
 */
export class CommandQueue {
  readonly #parts: CommandQueueParts;

  constructor(parts: CommandQueueParts) {
    this.#parts = parts;
  }

  /** Those of a site that never left, in their order. */
  queued(siteId: string): QueuedCommand[] {
    const { sql, outbox } = this.#parts;
    return sql
      .run(
        `SELECT id, seq, type FROM commands WHERE site_id = ? AND state = 'queued' AND seq > ? ORDER BY seq`,
        siteId,
        outbox.offered,
      )
      .map((row) => ({ id: text(row, 'id'), seq: int(row, 'seq'), type: commandType.parse(row['type']) }));
  }

  /** Those of a site that its orchestrator has, or may have, and that have not ended; the oldest first. */
  underWay(siteId: string): Pick<Command, 'id' | 'type' | 'subject'>[] {
    const { sql, outbox } = this.#parts;
    return sql
      .run(
        `SELECT id, type, subject FROM commands
         WHERE site_id = ? AND (state IN ('delivered', 'running') OR (state = 'queued' AND seq BETWEEN 1 AND ?))
         ORDER BY seq`,
        siteId,
        outbox.offered,
      )
      .map((row) => ({
        id: text(row, 'id'),
        type: commandType.parse(row['type']),
        subject: text(row, 'subject'),
      }));
  }

  /** How many of a site have not ended. */
  open(siteId: string): number {
    const [row] = this.#parts.sql.run(
      `SELECT COUNT(*) AS n FROM commands
       WHERE state IN ('queued', 'delivered', 'running') AND site_id = ?`,
      siteId,
    );
    return int(row, 'n');
  }

  /** Those that never left and whose time is up. */
  expired(): Pick<QueuedCommand, 'id' | 'seq'>[] {
    const { sql, outbox, now } = this.#parts;
    return sql
      .run(
        `SELECT id, seq FROM commands WHERE state = 'queued' AND expires_at <= ? AND seq > ?`,
        now(),
        outbox.offered,
      )
      .map((row) => ({ id: text(row, 'id'), seq: int(row, 'seq') }));
  }

  /** When the next of those that never left expires; undefined when none will. */
  nextExpiry(): number | undefined {
    const { sql, outbox } = this.#parts;
    const [row] = sql.run(
      `SELECT MIN(expires_at) AS at FROM commands WHERE state = 'queued' AND expires_at IS NOT NULL AND seq > ?`,
      outbox.offered,
    );
    return row?.['at'] == null ? undefined : int(row, 'at');
  }
}
