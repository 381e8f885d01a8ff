import { migrateLogTables, type Sql } from '@clawdbot/protocol';

/**
 * What brings a database from one `user_version` to the next; the position in this list is the version.
 * Released ones are never edited: a change is a new one at the end.
 */
export const MIGRATIONS: readonly ((sql: Sql) => void)[] = [
  (sql) => {
    migrateLogTables(sql, 1);
    for (const table of FIRST_TABLES) sql.run(table);
  },
  (sql) => migrateLogTables(sql, 2),
];

const FIRST_TABLES = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,

  // `position` is the order of arrival, `key` names what must not be touched by two commands at once, and
  // `seq` is the entry's place in the edge's log (none for a command that was given locally).
  `CREATE TABLE commands (
     position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
     site_id TEXT NOT NULL, key TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('edge', 'local')),
     log_id TEXT, seq INTEGER, body TEXT NOT NULL,
     state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done')),
     cancel_reason TEXT, attempts INTEGER NOT NULL DEFAULT 0,
     created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, outcome TEXT)`,
  `CREATE INDEX commands_open ON commands (position) WHERE state <> 'done'`,
  `CREATE INDEX commands_done ON commands (ended_at) WHERE state = 'done'`,

  // The config that runs, the last attempt and the last failure of each site.
  `CREATE TABLE settings (
     site_id TEXT PRIMARY KEY, generation INTEGER NOT NULL DEFAULT 0, digest TEXT, config TEXT,
     applied_at INTEGER, attempt_generation INTEGER, attempt_at INTEGER,
     failure_generation INTEGER, failure_at INTEGER, failure_error TEXT) WITHOUT ROWID`,

  `CREATE TABLE workers (
     name TEXT PRIMARY KEY, site_id TEXT, url TEXT, version_id TEXT, deployment_id TEXT, proof TEXT,
     state TEXT NOT NULL CHECK (state IN ('deploying', 'deployed', 'failed')), at INTEGER NOT NULL) WITHOUT ROWID`,

  // Written before the first call to Cloudflare, so that a crash in the middle is reconciled.
  `CREATE TABLE deployments (
     command_id TEXT PRIMARY KEY, name TEXT NOT NULL, site_id TEXT NOT NULL, state TEXT NOT NULL,
     version_id TEXT, deployment_id TEXT, started_at INTEGER NOT NULL, ended_at INTEGER) WITHOUT ROWID`,
];
