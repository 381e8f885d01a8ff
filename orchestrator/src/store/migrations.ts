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
  (sql) => {
    for (const table of SYNC_TABLES) sql.run(table);
  },
  (sql) => {
    for (const table of LETTER_TABLES) sql.run(table);
  },
  // What holds a deployment back is looked for by its key, also with thousands of commands waiting.
  (sql) => sql.run(`CREATE INDEX commands_open_key ON commands (key, position) WHERE state <> 'done'`),
  (sql) => {
    for (const table of DELIVERY_TABLES) sql.run(table);
  },
  // How often the generation that failed last has failed.
  (sql) => {
    sql.run(`ALTER TABLE settings ADD COLUMN failure_count INTEGER NOT NULL DEFAULT 0`);
    sql.run(`UPDATE settings SET failure_count = 1 WHERE failure_generation IS NOT NULL`);
  },
  (sql) => {
    for (const statement of DEPLOYMENT_STEPS) sql.run(statement);
  },
  (sql) => sql.run(WORKER_CHECKS),
  (sql) => sql.run(API_CALLS),
  // What a Worker is asked for when its health is looked at, as JSON; without it "/".
  (sql) => sql.run(`ALTER TABLE workers ADD COLUMN looked_at TEXT`),
  // Where a look asked: the next deployment may have the next one ask elsewhere.
  (sql) => sql.run(`ALTER TABLE worker_checks ADD COLUMN path TEXT`),
];

/** Calls of Cloudflare's API, as they were reserved; `until` is when the last of them was made, null while some are left. */
const API_CALLS = `CREATE TABLE api_calls (n INTEGER PRIMARY KEY, until INTEGER, calls INTEGER NOT NULL)`;

/** The latest looks at each deployed Worker. */
const WORKER_CHECKS = `CREATE TABLE worker_checks (
  name TEXT NOT NULL, at INTEGER NOT NULL, ok INTEGER NOT NULL, status INTEGER, latency_ms INTEGER, version TEXT,
  certificate_days INTEGER, detail TEXT, PRIMARY KEY (name, at)) WITHOUT ROWID`;

const DEPLOYMENT_STEPS = [
  // What is known of a deployment beside its step, as JSON (deploy/state.ts).
  `ALTER TABLE deployments ADD COLUMN facts TEXT`,
  // An earlier version's step, which says too little: begun anew, it finds its version by the command's id.
  `UPDATE deployments SET state = 'intended' WHERE state IN ('uploaded', 'deployed')`,
  // The routes and custom domains that a Worker was given last, as JSON: the same ones are not set again.
  `ALTER TABLE workers ADD COLUMN routes TEXT`,
  `ALTER TABLE workers ADD COLUMN domains TEXT`,
  // How a Worker differs from what was deployed, in words, and when that was looked at.
  `ALTER TABLE workers ADD COLUMN drift TEXT`,
  `ALTER TABLE workers ADD COLUMN checked_at INTEGER`,
  // The command for which this one waits, once that was told.
  `ALTER TABLE commands ADD COLUMN waits_for TEXT`,
];

const DELIVERY_TABLES = [
  // Stored requests that are not through. What the customer sent is not here: it is pulled for each attempt. `n` is the
  // order; with `attempts` it is one that has failed, and `next_at` says when it is due again.
  `CREATE TABLE deliveries (
     n INTEGER PRIMARY KEY AUTOINCREMENT, receipt_id TEXT NOT NULL UNIQUE, site_id TEXT NOT NULL, route TEXT NOT NULL,
     sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, expires_at INTEGER NOT NULL, awaited INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0)`,
  `CREATE INDEX deliveries_new ON deliveries (site_id, route, n) WHERE attempts = 0`,
  `CREATE INDEX deliveries_failed ON deliveries (site_id, route, n) WHERE attempts > 0`,
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

const SYNC_TABLES = [
  // `seq` is the entry's place in the control log; none while that has no room for it.
  `CREATE TABLE events (
     position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, seq INTEGER, type TEXT NOT NULL,
     site_id TEXT NOT NULL, data TEXT NOT NULL, created_at INTEGER NOT NULL)`,
  `CREATE INDEX events_waiting ON events (position) WHERE seq IS NULL`,

  // Sites that were last said to be unhealthy; all others are healthy, or nobody knows.
  `CREATE TABLE unhealthy_sites (site_id TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID`,

  // Rows of the existing API's tables; without a `row` it was deleted, and `position` keeps older states out.
  `CREATE TABLE shared_rows (
     table_name TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, row TEXT,
     PRIMARY KEY (table_name, key)) WITHOUT ROWID`,
];

const LETTER_TABLES = [
  // What the edge is to know of a dead letter, or knows. `due` until it is an entry of the control log.
  `CREATE TABLE letter_reports (
     log TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('dead', 'handled', 'dropped')), at INTEGER NOT NULL,
     attempts INTEGER NOT NULL, error TEXT NOT NULL, due INTEGER NOT NULL,
     PRIMARY KEY (log, log_id, seq)) WITHOUT ROWID`,
  `CREATE INDEX letter_reports_due ON letter_reports (due) WHERE due = 1`,

  // Looked at whenever there may be something to start, also with a thousand commands waiting.
  `CREATE INDEX commands_to_stop ON commands (position) WHERE cancel_reason IS NOT NULL AND state <> 'done'`,
];
