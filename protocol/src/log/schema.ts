import type { Sql } from './sql.ts';

/**
 * The tables of the durable logs, the same on both sides, one list per version of them.
 *
 * - `log_outbox`: entries this side has written, kept until acknowledged and past the retention.
 * - `log_inbox`: entries taken from the peer; a row stays until it is handled, or is a dead letter. `epoch` counts
 *   the peer's logs, so that entries of an older one come first.
 * - `log_state`: one row per log and direction. For the outbox: `log_id`, `last` written, `offered` (ever put
 *   on a wire), `acked`, `projected`, and the log that this one continues. For the inbox: the peer's `log_id`,
 *   `acked` (committed here), and how many dead letters were given up.
 * - `log_retired`: logs that the peer has replaced by another: they never come back. `shared`: up to here the next
 *   one's entries are the same.
 */
const VERSIONS: readonly (readonly string[])[] = [
  [
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
  ],
  [
    `ALTER TABLE log_inbox ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE log_inbox ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE log_inbox ADD COLUMN failed_at INTEGER`,
    `DROP INDEX log_inbox_open`,
    `CREATE INDEX log_inbox_in_order ON log_inbox (log, state, epoch, seq)`,
    `CREATE INDEX log_inbox_retried ON log_inbox (log, next_at) WHERE state = 'pending' AND next_at > 0`,
    `ALTER TABLE log_state ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE log_state ADD COLUMN digest TEXT`,
    `ALTER TABLE log_state ADD COLUMN projected INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE log_state ADD COLUMN parent_log_id TEXT`,
    `ALTER TABLE log_state ADD COLUMN parent_seq INTEGER`,
    `ALTER TABLE log_state ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0`,
    `CREATE TABLE log_retired (
       log TEXT NOT NULL, log_id TEXT NOT NULL, epoch INTEGER NOT NULL, shared INTEGER NOT NULL,
       PRIMARY KEY (log, log_id)) WITHOUT ROWID`,
  ],
];

/** Brings the tables from one version to the next; a side's own migrations call it, once per version. */
export function migrateLogTables(sql: Sql, version: 1 | 2): void {
  for (const statement of VERSIONS[version - 1] ?? []) sql.run(statement);
}
