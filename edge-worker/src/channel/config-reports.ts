import {
  CONFIG_FAILURES_MAX,
  type CommandResult,
  type ConfigAttempt,
  int,
  type SiteConfigState,
  type Sql,
  type SqlRow,
  text,
  updateConfigResult,
} from '@clawdbot/protocol';
import type { EndedCommand } from './commands.ts';

/** What a site runs, by the last word of its orchestrator. */
export type Running = NonNullable<SiteConfigState['running']>;
type LastGood = NonNullable<SiteConfigState['lastGood']>;

/** What the VPS made of the generations that it was sent, and which of them run there. */
export class ConfigReports {
  readonly #sql: Sql;
  readonly #now: () => number;
  /** Every relayed request asks. */
  readonly #cache = new Map<string, Running | undefined>();

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /** Undefined for a site of which the orchestrator has said nothing. Generation 0: it runs none. */
  running(siteId: string): Running | undefined {
    if (!this.#cache.has(siteId)) {
      const [row] = this.#sql.run(`SELECT runs_generation, runs_digest FROM sites WHERE site_id = ?`, siteId);
      this.#cache.set(siteId, runningOf(row));
    }
    return this.#cache.get(siteId);
  }

  /** A status: what the orchestrator runs, of all its sites. */
  told(sites: readonly ({ siteId: string } & Running)[]): void {
    const runs = new Map(sites.map((site) => [site.siteId, site]));
    for (const row of this.#sql.run(`SELECT site_id, runs_generation, runs_digest FROM sites`)) {
      const siteId = text(row, 'site_id');
      const before = runningOf(row);
      const now = runs.get(siteId);
      if (before?.generation !== now?.generation || before?.digest !== now?.digest) this.#runs(siteId, now);
    }
  }

  /** The command that brings a generation has ended, in the caller's transaction. */
  ended({ siteId, generation = 0 }: EndedCommand, { state, result, error }: CommandResult): void {
    // What runs may be a newer generation than the one that was asked for.
    const ran = updateConfigResult.safeParse(result).data;
    if (state === 'succeeded' && ran !== undefined) this.#applied(siteId, ran);
    else if (state === 'failed') this.#refused(siteId, generation, error?.message ?? state);
  }

  /** Refused so often that it is not sent again. */
  isQuarantined(siteId: string, generation: number): boolean {
    const [row] = this.#sql.run(
      `SELECT 1 FROM configs WHERE site_id = ? AND generation = ? AND failures >= ?`,
      siteId,
      generation,
      CONFIG_FAILURES_MAX,
    );
    return row !== undefined;
  }

  /** Desired generations that were refused, and may be sent again. */
  refused(): { siteId: string; generation: number; digest: string }[] {
    return this.#sql
      .run(
        `SELECT site_id, generation, digest FROM sites JOIN configs USING (site_id, generation)
         WHERE failures > 0 AND failures < ?`,
        CONFIG_FAILURES_MAX,
      )
      .map((row) => ({
        siteId: text(row, 'site_id'),
        generation: int(row, 'generation'),
        digest: text(row, 'digest'),
      }));
  }

  /** The newest generation that the VPS has ever taken. */
  lastGood(siteId: string): LastGood | undefined {
    const [row] = this.#sql.run(
      `SELECT generation, digest, applied_at FROM configs WHERE site_id = ? AND applied_at IS NOT NULL
       ORDER BY generation DESC LIMIT 1`,
      siteId,
    );
    if (row === undefined) return undefined;
    return { generation: int(row, 'generation'), digest: text(row, 'digest'), at: int(row, 'applied_at') };
  }

  /** The generation that ran last, as far as is known; undefined when none ever did. */
  ran(siteId: string): number | undefined {
    const runs = this.running(siteId)?.generation ?? 0;
    return runs > 0 ? runs : this.lastGood(siteId)?.generation;
  }

  lastFailure(siteId: string): ConfigAttempt | undefined {
    return this.#attempt(siteId, 'failed_at');
  }

  lastAttempt(siteId: string): ConfigAttempt | undefined {
    const failure = this.lastFailure(siteId);
    const success = this.#attempt(siteId, 'applied_at');
    if (success === undefined || (failure !== undefined && failure.at > success.at)) return failure;
    const { generation, at, failures } = success;
    return { generation, at, failures };
  }

  #attempt(siteId: string, column: 'applied_at' | 'failed_at'): ConfigAttempt | undefined {
    const [row] = this.#sql.run(
      `SELECT generation, ${column} AS at, error, failures FROM configs WHERE site_id = ? AND ${column} IS NOT NULL
       ORDER BY ${column} DESC, generation DESC LIMIT 1`,
      siteId,
    );
    if (row === undefined) return undefined;
    const error = row['error'] === null ? {} : { error: text(row, 'error') };
    return {
      generation: int(row, 'generation'),
      at: int(row, 'at'),
      ...error,
      failures: int(row, 'failures'),
    };
  }

  /** The route table here switches with the fact, and so does not wait for the status that follows. */
  #applied(siteId: string, { generation, digest }: Running): void {
    this.#sql.run(
      `UPDATE configs SET applied_at = ? WHERE site_id = ? AND generation = ? AND digest = ?`,
      this.#now(),
      siteId,
      generation,
      digest,
    );
    // A result that had to be handled once more comes behind a newer one.
    if (generation > (this.running(siteId)?.generation ?? 0)) this.#runs(siteId, { generation, digest });
  }

  #refused(siteId: string, generation: number, error: string): void {
    this.#sql.run(
      `UPDATE configs SET failures = failures + 1, failed_at = ?, error = ? WHERE site_id = ? AND generation = ?`,
      this.#now(),
      error,
      siteId,
      generation,
    );
  }

  #runs(siteId: string, running: Running | undefined): void {
    this.#cache.delete(siteId);
    this.#sql.run(
      `UPDATE sites SET runs_generation = ?, runs_digest = ? WHERE site_id = ?`,
      running?.generation ?? null,
      running?.digest ?? null,
      siteId,
    );
  }
}

const runningOf = (row: SqlRow | undefined): Running | undefined =>
  row?.['runs_generation'] == null
    ? undefined
    : { generation: int(row, 'runs_generation'), digest: text(row, 'runs_digest') };
