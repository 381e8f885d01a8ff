import { migrateLogTables, type Sql, type SqlRow, type SqlValue } from '@clawdbot/protocol';
import { MOVE_TABLES, TRAVELLING_COMMANDS } from './move/schema.ts';

/** protocol's storage port over a Durable Object's SQLite. */
export function objectSql(storage: DurableObjectStorage): Sql {
  let depth = 0;
  return {
    run: (sql, ...params) => storage.sql.exec<SqlRow>(sql, ...params).toArray(),
    transaction<T>(work: () => T): T {
      if (depth > 0) return work();
      depth++;
      try {
        return storage.transactionSync(work);
      } finally {
        depth--;
      }
    },
  };
}

/**
 * The object's schema, one list per version, applied in order. SQLite's `user_version` is not to be had in an
 * object, so the version is a row in `meta`.
 */
const MIGRATIONS: readonly ((sql: Sql) => void)[] = [
  (sql) => {
    migrateLogTables(sql, 1);
    for (const table of FIRST_TABLES) sql.run(table);
  },
  (sql) => migrateLogTables(sql, 2),
  (sql) => {
    for (const table of EVENT_TABLES) sql.run(table);
  },
  (sql) => {
    for (const statement of [...LETTER_TABLES, ...COMMAND_INDEXES]) sql.run(statement);
  },
  (sql) => {
    for (const statement of COMMAND_WORDS) sql.run(statement);
  },
  (sql) => {
    for (const table of SECRET_TABLES) sql.run(table);
  },
  (sql) => {
    for (const statement of [...RECEIPT_TABLES, ...STALE_TABLES]) sql.run(statement);
  },
  (sql) => {
    for (const statement of CONFIG_REPORTS) sql.run(statement);
  },
  (sql) => {
    for (const statement of MOVE_TABLES) sql.run(statement);
  },
  (sql) => {
    for (const statement of DEPLOYMENT_TABLES) sql.run(statement);
  },
  (sql) => {
    for (const statement of TRAVELLING_COMMANDS) sql.run(statement);
  },
  (sql) => {
    sql.run(REVOKED_KEYS);
  },
];

/**
 * What became of each generation of a config, what each site runs, and which variables its Workers carry. Of older
 * generations the commands that brought them say it, and the last status says what runs.
 */
const CONFIG_REPORTS = [
  ...['note TEXT', 'command_id TEXT', 'applied_at INTEGER', 'failures INTEGER NOT NULL DEFAULT 0'].map(
    (column) => `ALTER TABLE configs ADD COLUMN ${column}`,
  ),
  ...['failed_at INTEGER', 'error TEXT'].map((column) => `ALTER TABLE configs ADD COLUMN ${column}`),
  ...['runs_generation INTEGER', 'runs_digest TEXT'].map(
    (column) => `ALTER TABLE sites ADD COLUMN ${column}`,
  ),
  `UPDATE configs SET command_id = c.id, applied_at = iif(c.state = 'succeeded', c.updated_at, NULL),
     failures = (c.state = 'failed'), failed_at = iif(c.state = 'failed', c.updated_at, NULL),
     error = c.error ->> 'message'
   FROM (SELECT MAX(id) AS id, site_id, generation, state, updated_at, error FROM commands
         WHERE type = 'update_config' GROUP BY site_id, generation) AS c
   WHERE c.site_id = configs.site_id AND c.generation = configs.generation`,
  `UPDATE sites SET runs_generation = told.value ->> 'generation', runs_digest = told.value ->> 'digest'
   FROM (SELECT each.value FROM meta, json_each(meta.value, '$.sites') AS each WHERE meta.key = 'status') AS told
   WHERE told.value ->> 'siteId' = sites.site_id`,
  // `ended_at` is null while the deployment has not succeeded.
  `CREATE TABLE worker_vars (
     command_id TEXT PRIMARY KEY, site_id TEXT NOT NULL, worker TEXT NOT NULL, generation INTEGER NOT NULL,
     digest TEXT NOT NULL, version_id TEXT, proof TEXT, ended_at INTEGER) WITHOUT ROWID`,
  `CREATE INDEX worker_vars_of_site ON worker_vars (site_id, worker)`,
];

/** `sealed` is the cipher's (cipher.ts): no value is ever in this database. */
const SECRET_TABLES = [
  `CREATE TABLE IF NOT EXISTS secrets (
     site_id TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
     updated_at INTEGER NOT NULL, updated_by TEXT NOT NULL, PRIMARY KEY (site_id, name))`,
];

/**
 * Stored requests. `due` is when one expires, its parcel goes, or it goes itself; `kept` says whether its parcel is
 * there; `history` is a JSON array, so that a change of state is one row written, not two.
 */
const RECEIPT_TABLES = [
  `CREATE TABLE receipts (
     id TEXT PRIMARY KEY, site_id TEXT NOT NULL, route TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('stored', 'on_vps', 'delivered', 'dead', 'expired', 'erased')),
     seq INTEGER NOT NULL, received_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, due INTEGER NOT NULL,
     ended_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0, status INTEGER, last_error TEXT,
     sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 1, key TEXT,
     history TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX receipts_due ON receipts (due)`,
  `CREATE INDEX receipts_stored ON receipts (seq) WHERE state = 'stored'`,
  `CREATE INDEX receipts_ended ON receipts (ended_at) WHERE ended_at IS NOT NULL`,
  `CREATE INDEX receipts_key ON receipts (key) WHERE key IS NOT NULL`,
  `CREATE INDEX receipts_failed ON receipts (state, id) WHERE state IN ('dead', 'expired', 'erased')`,
  `CREATE TABLE parcels (
     receipt_id TEXT NOT NULL, part INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (receipt_id, part))`,
];

/** The last good answer to a GET, by what it varies with; `bytes` is its body's size, so that room is counted without it. */
const STALE_TABLES = [
  `CREATE TABLE stale_answers (
     n INTEGER PRIMARY KEY, site_id TEXT NOT NULL, url TEXT NOT NULL, vary TEXT NOT NULL, variant TEXT NOT NULL,
     status INTEGER NOT NULL, headers TEXT NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL,
     UNIQUE (site_id, url, variant))`,
  `CREATE INDEX stale_answers_at ON stale_answers (at, bytes)`,
];

/**
 * What a command is about, and why it is in its state. Of older ones a config's generation is known, a Worker's name
 * is not; D1 is told of them anew. The first note says who gave the command, which the row says, too.
 */
const COMMAND_WORDS = [
  `ALTER TABLE commands ADD COLUMN subject TEXT NOT NULL DEFAULT ''`,
  `ALTER TABLE commands ADD COLUMN reason TEXT`,
  `UPDATE commands SET version = version + 1,
     subject = CASE WHEN generation IS NULL THEN '' ELSE 'generation ' || generation END,
     reason = CASE WHEN error IS NULL AND state <> 'queued' THEN (
       SELECT detail FROM command_history WHERE command_id = commands.id AND kind = 'state' ORDER BY n DESC LIMIT 1) END
   WHERE generation IS NOT NULL OR state IN ('cancelled', 'expired', 'failed')`,
];

/** Deployments, with the data of the last event that told of each. Of older ones only the command is known. */
const DEPLOYMENT_TABLES = [
  `CREATE TABLE deployments (
     command_id TEXT PRIMARY KEY, site_id TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,
     told TEXT, told_at INTEGER) WITHOUT ROWID`,
  `INSERT INTO deployments (command_id, site_id, type, name)
     SELECT id, site_id, type, subject FROM commands WHERE type = 'deploy_worker'`,
];

const REVOKED_KEYS = `CREATE TABLE revoked_keys (kid TEXT PRIMARY KEY, forget_at INTEGER NOT NULL) WITHOUT ROWID`;

/** Dead letters that lie on the VPS, in the order in which they were told of. */
const LETTER_TABLES = [
  `CREATE TABLE dead_letters (
     n INTEGER PRIMARY KEY AUTOINCREMENT, log TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL,
     at INTEGER NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, entry_type TEXT, body TEXT,
     state TEXT NOT NULL CHECK (state IN ('dead', 'replaying', 'dropping')), asked_seq INTEGER,
     UNIQUE (log, log_id, seq))`,
];

/** Beside those of the first version: the open ones are few among many, and so are those that ended last. */
const COMMAND_INDEXES = [
  `CREATE INDEX commands_open ON commands (id) WHERE state IN ('queued', 'delivered', 'running')`,
  `CREATE INDEX commands_ended ON commands (updated_at) WHERE state NOT IN ('queued', 'delivered', 'running')`,
];

const EVENT_TABLES = [
  `CREATE TABLE events (
     position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, log_id TEXT NOT NULL, seq INTEGER NOT NULL,
     site_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, created_at TEXT NOT NULL,
     received_at INTEGER NOT NULL)`,
  // Events of a site still come after it was deleted.
  `CREATE TABLE former_sites (site_id TEXT PRIMARY KEY) WITHOUT ROWID`,
];

const FIRST_TABLES = [
  `CREATE TABLE used_tokens (jti TEXT PRIMARY KEY, forget_at INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE sites (
       site_id TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0)
       WITHOUT ROWID`,
  `CREATE TABLE configs (
       site_id TEXT NOT NULL, generation INTEGER NOT NULL, digest TEXT NOT NULL, config TEXT NOT NULL,
       at INTEGER NOT NULL, actor TEXT NOT NULL, PRIMARY KEY (site_id, generation)) WITHOUT ROWID`,
  `CREATE TABLE commands (
       id TEXT PRIMARY KEY, type TEXT NOT NULL, site_id TEXT NOT NULL, state TEXT NOT NULL, seq INTEGER NOT NULL,
       generation INTEGER, idempotency_key TEXT UNIQUE, request_digest TEXT NOT NULL, created_by TEXT NOT NULL,
       created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER, result TEXT, error TEXT,
       version INTEGER NOT NULL DEFAULT 1, projected INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID`,
  `CREATE INDEX commands_by_seq ON commands (seq)`,
  `CREATE INDEX commands_queued ON commands (site_id) WHERE state = 'queued'`,
  `CREATE INDEX commands_expiring ON commands (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL`,
  `CREATE INDEX commands_dirty ON commands (id) WHERE version > projected`,
  `CREATE TABLE command_history (
       command_id TEXT NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('state', 'milestone')),
       value TEXT NOT NULL, at INTEGER NOT NULL, detail TEXT, PRIMARY KEY (command_id, n)) WITHOUT ROWID`,
  `CREATE TABLE blobs (
       sha256 TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (sha256, part))`,
  `CREATE TABLE blob_uses (
       sha256 TEXT NOT NULL, command_id TEXT NOT NULL, PRIMARY KEY (sha256, command_id)) WITHOUT ROWID`,
  `CREATE INDEX blob_uses_by_command ON blob_uses (command_id)`,
];

/** Brings the object's database to this version. Runs in the constructor, before any event is handled. */
export function migrate(sql: Sql): void {
  sql.transaction(() => {
    sql.run(`CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID`);
    const meta = new Meta(sql);
    const version = meta.number('schema');
    for (const step of MIGRATIONS.slice(version)) step(sql);
    if (version < MIGRATIONS.length) meta.set('schema', MIGRATIONS.length);
  });
}

/** What is tried again when it fails. */
export type ChoreName = 'projection' | 'shared_rows' | 'moves' | 'arrivals';

type MetaKey =
  | 'schema'
  | 'org'
  | 'orchestrator'
  | 'fence'
  /** Sockets that the newest process may have. */
  | 'lanes'
  | 'lanes_granted'
  | 'api_sharers'
  | 'generation'
  | 'instance'
  | 'version'
  | 'presence'
  | 'status'
  | 'wakes'
  | 'unknown_frames'
  | 'watched_until'
  | 'last_resync'
  | 'resync_pending'
  | 'letters_forgotten'
  | 'events_projected'
  | 'events_log'
  | 'events_seq'
  | 'events_disorder'
  | 'events_overtaken'
  | 'projected_log'
  | 'projected_seq'
  | 'shared_position'
  /** What the VPS had acknowledged when its database was last found to be new. */
  | 'emptied_behind'
  | 'shared_skipped'
  | 'secret_version'
  /** Kept of stored requests: receipts, and bytes of what customers sent. */
  | 'receipts'
  | 'parcels_bytes'
  | `${ChoreName}_failures`
  | `${ChoreName}_retry_at`;

/** Single values of the object that survive everything. */
export class Meta {
  readonly #sql: Sql;
  /** The hot path reads the fence with every request; only this object writes. */
  readonly #cache = new Map<MetaKey, SqlValue | undefined>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  text(key: MetaKey): string | undefined {
    const value = this.#get(key);
    return typeof value === 'string' ? value : undefined;
  }

  /** A counter that was never set is 0. */
  number(key: MetaKey): number {
    const value = this.#get(key);
    return typeof value === 'number' ? value : 0;
  }

  set(key: MetaKey, value: SqlValue): void {
    this.#cache.delete(key);
    this.#sql.run(
      `INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      key,
      value,
    );
  }

  /** @returns the new value */
  add(key: MetaKey, more: number): number {
    const value = this.number(key) + more;
    this.set(key, value);
    return value;
  }

  #get(key: MetaKey): SqlValue | undefined {
    if (!this.#cache.has(key)) {
      this.#cache.set(key, this.#sql.run(`SELECT value FROM meta WHERE key = ?`, key)[0]?.['value']);
    }
    return this.#cache.get(key);
  }
}
