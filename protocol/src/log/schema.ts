import type { Sql } from './sql.ts';

/**
 * The tables of the durable logs, the same on both sides.
 *
 * - `log_outbox`: entries this side has written, kept until acknowledged and past the retention.
 * - `log_inbox`: entries taken from the peer; a row stays until it is handled, or is a dead letter.
 * - `log_state`: one row per log and direction. For the outbox: `log_id`, `last` written, `offered` (ever put
 *   on a wire), `acked`. For the inbox: the peer's `log_id` and `acked` (committed here).
 */
const TABLES = [
  `CREATE TABLE IF NOT EXISTS log_outbox (
     log TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (log, seq)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS log_inbox (
     log TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL,
     state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'dead')),
     attempts INTEGER NOT NULL DEFAULT 0, error TEXT,
     PRIMARY KEY (log, log_id, seq)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS log_inbox_open ON log_inbox (log, state, log_id, seq)`,
  `CREATE TABLE IF NOT EXISTS log_state (
     log TEXT NOT NULL, direction TEXT NOT NULL CHECK (direction IN ('out', 'in')), log_id TEXT,
     last INTEGER NOT NULL DEFAULT 0, offered INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0,
     rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (log, direction)) WITHOUT ROWID`,
];

export function createLogTables(sql: Sql): void {
  for (const statement of TABLES) sql.run(statement);
}
