import {
  digestOf,
  EMPTY_CONFIG,
  explain,
  Failure,
  int,
  type SiteConfig,
  type SiteStatus,
  type Sql,
  type SqlRow,
  siteConfig,
  type UpdateConfig,
} from '@clawdbot/protocol';
import type { UpstreamAllow } from '../relay/allow.ts';
import type { Events } from '../sync/index.ts';

/** What a site runs. */
interface Running {
  readonly siteId: string;
  readonly generation: number;
  readonly digest: string;
}

export interface SettingsOptions {
  readonly sql: Sql;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly allow: UpstreamAllow;
  /** Told of every config that runs or is refused, in the transaction that writes it down. */
  readonly events: Pick<Events, 'record'>;
}

/** The sites' configs: what was pushed by the edge, passed the checks, and runs. */
export interface Settings {
  /**
   * Applies a generation, in the caller's transaction, or throws `Failure('config_refused')` and leaves what runs
   * as it is: that is written down in the transaction, too. A generation that runs already is answered again, so
   * that a command may be repeated.
   */
  apply(body: UpdateConfig): { generation: number; digest: string };
  /** A transaction with an `apply` in it was rolled back: what runs is what the database says. */
  reload(): void;
  /** Forgets the site, in the caller's transaction: a later config of it may begin at generation 1 again. */
  remove(siteId: string): void;
  /** The config that runs; undefined for a site that was never given one. */
  configOf(siteId: string): SiteConfig | undefined;
  /** What runs, as `hello` tells it. */
  running(): Running[];
  /** What runs, was tried and failed last; undefined for a site that was never given a config. */
  statusOf(siteId: string): SiteStatus | undefined;
  statuses(): SiteStatus[];
}

/** Of a refusal's reason; a route's own text in it may be long. */
const ERROR_CHARS_MAX = 2_000;

interface Applied extends Running {
  readonly config: SiteConfig;
}

export function createSettings({ sql, now, allow, events }: SettingsOptions): Settings {
  // Read for each request that is relayed, so the table is only its durable copy.
  let applied = load(sql);

  const run = (body: UpdateConfig): void => {
    const { siteId, generation, digest } = body;
    sql.transaction(() => {
      record(sql, body, now());
      events.record({ type: 'config_change', siteId, data: { status: 'applied', generation, digest } });
    });
    applied.set(siteId, body);
  };

  const refuse = (body: UpdateConfig, message: string): never => {
    const { siteId, generation, digest } = body;
    const error = message.slice(0, ERROR_CHARS_MAX);
    sql.transaction(() => {
      // A command that was cut off, or sent again after a resync, is refused again: that is no news.
      if (!recordRefusal(sql, body, now(), error)) return;
      events.record({
        type: 'config_change',
        siteId,
        data: { status: 'refused', generation, digest, error },
      });
    });
    throw new Failure('config_refused', message);
  };

  return {
    apply(body) {
      const current = applied.get(body.siteId);
      if (current !== undefined && body.generation <= current.generation && body.digest === current.digest) {
        return { generation: current.generation, digest: current.digest };
      }
      const fault = stale(body, current) ?? unsound(body) ?? outside(body.config, allow);
      if (fault !== undefined) return refuse(body, fault);
      run(body);
      return { generation: body.generation, digest: body.digest };
    },
    reload() {
      applied = load(sql);
    },
    remove(siteId) {
      sql.run(`DELETE FROM settings WHERE site_id = ?`, siteId);
      // A transaction that fails after this is tried again.
      applied.delete(siteId);
    },
    configOf: (siteId) => applied.get(siteId)?.config,
    running: () =>
      [...applied.values()].map(({ siteId, generation, digest }) => ({ siteId, generation, digest })),
    statusOf: (siteId) => rows(sql, siteId).map(statusOf)[0],
    statuses: () => rows(sql).map(statusOf),
  };
}

function stale(body: UpdateConfig, current: Applied | undefined): string | undefined {
  if (current === undefined || body.generation > current.generation) return undefined;
  return `generation ${body.generation} is not newer than generation ${current.generation}, which runs: push a newer one`;
}

/** The edge checks all this too; an orchestrator trusts its own eyes. */
function unsound(body: UpdateConfig): string | undefined {
  const parsed = siteConfig.safeParse(body.config);
  if (!parsed.success) return explain(parsed.error, 'config');
  if (digestOf(body.config) === body.digest) return undefined;
  return `the config does not have the digest ${body.digest}: push it again`;
}

function outside(config: SiteConfig, allow: UpstreamAllow): string | undefined {
  const route = config.routes.find(({ upstream }) => !allow.allows(upstream));
  if (route === undefined) return undefined;
  return `route ${route.path}: the upstream ${route.upstream} is not allowed here; allowed are ${allow.text || 'none'} (UPSTREAM_ALLOW on the VPS)`;
}

function record(sql: Sql, { siteId, generation, digest, config }: UpdateConfig, at: number): void {
  sql.run(
    `INSERT INTO settings (site_id, generation, digest, config, applied_at, attempt_generation, attempt_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?2, ?5)
     ON CONFLICT (site_id) DO UPDATE SET generation = ?2, digest = ?3, config = ?4, applied_at = ?5,
       attempt_generation = ?2, attempt_at = ?5`,
    siteId,
    generation,
    digest,
    JSON.stringify(config),
    at,
  );
}

/** @returns whether this generation had not been refused so before */
function recordRefusal(sql: Sql, { siteId, generation }: UpdateConfig, at: number, error: string): boolean {
  const known = sql.run(
    `SELECT 1 FROM settings WHERE site_id = ? AND failure_generation = ? AND failure_error = ?`,
    siteId,
    generation,
    error,
  );
  sql.run(
    `INSERT INTO settings
       (site_id, attempt_generation, attempt_at, failure_generation, failure_at, failure_error, failure_count)
       VALUES (?1, ?2, ?3, ?2, ?3, ?4, 1)
     ON CONFLICT (site_id) DO UPDATE SET attempt_generation = ?2, attempt_at = ?3,
       failure_generation = ?2, failure_at = ?3, failure_error = ?4,
       failure_count = iif(failure_generation = ?2, failure_count, 0) + 1`,
    siteId,
    generation,
    at,
    error,
  );
  return known.length === 0;
}

const rows = (sql: Sql, siteId?: string): SqlRow[] =>
  siteId === undefined
    ? sql.run(`SELECT * FROM settings ORDER BY site_id`)
    : sql.run(`SELECT * FROM settings WHERE site_id = ?`, siteId);

function load(sql: Sql): Map<string, Applied> {
  const sites = sql
    .run(`SELECT site_id, generation, digest, config FROM settings WHERE config IS NOT NULL`)
    .map((row) => {
      const config = siteConfig.parse(JSON.parse(String(row['config'])));
      return {
        siteId: String(row['site_id']),
        generation: int(row, 'generation'),
        digest: String(row['digest']),
        config,
      };
    });
  return new Map(sites.map((site) => [site.siteId, site]));
}

const EMPTY_DIGEST = digestOf(EMPTY_CONFIG);

function statusOf(row: SqlRow): SiteStatus {
  const failure = attempt(row['failure_generation'], row['failure_at']);
  const lastFailure = failure && { ...failure, ...failureOf(row) };
  const last = attempt(row['attempt_generation'], row['attempt_at']);
  const failed = failure !== undefined && failure.at === last?.at && failure.generation === last.generation;
  const lastAttempt = failed ? lastFailure : last;
  return {
    siteId: String(row['site_id']),
    generation: int(row, 'generation'),
    digest: row['digest'] == null ? EMPTY_DIGEST : String(row['digest']),
    ...(lastAttempt === undefined ? {} : { lastAttempt }),
    ...(lastFailure === undefined ? {} : { lastFailure }),
  };
}

type Column = SqlRow[string] | undefined;

function attempt(generation: Column, at: Column): { generation: number; at: number } | undefined {
  return typeof generation === 'number' && typeof at === 'number' ? { generation, at } : undefined;
}

const failureOf = (row: SqlRow) => ({
  error: String(row['failure_error']),
  failures: int(row, 'failure_count'),
});
