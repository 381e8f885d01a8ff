import {
  CONFIG_FAILURES_MAX,
  CONFIG_HISTORY_MAX,
  type ConfigGeneration,
  type ConfigGenerationDetail,
  type ConfigStanding,
  commandState,
  Failure,
  int,
  isFinal,
  type Sql,
  type SqlRow,
  siteConfig,
  text,
} from '@clawdbot/protocol';
import type { ConfigReports } from './config-reports.ts';
import type { Configs } from './configs.ts';
import type { GenerationPage, Taken } from './rpc.ts';

export interface ConfigHistoryParts {
  readonly sql: Sql;
  readonly configs: Pick<Configs, 'site'>;
  readonly reports: Pick<ConfigReports, 'running' | 'lastGood'>;
}

/** A desired generation that need not be sent again. */
export interface InForce {
  readonly digest: string;
  /** The command that brings it; `succeeded` when it runs. */
  readonly taken: Pick<Taken, 'commandId' | 'state' | 'generation'>;
}

const SELECT = `
  SELECT c.generation, c.digest, c.config, c.at, c.actor, c.note, c.applied_at, c.failures, c.failed_at, c.error,
    c.command_id, commands.state, commands.reason
  FROM configs AS c LEFT JOIN commands ON commands.id = c.command_id WHERE c.site_id = ?`;

/** The generations of sites' configs: who made each, when and why, and what became of it. */
export class ConfigHistory {
  readonly #parts: ConfigHistoryParts;

  constructor(parts: ConfigHistoryParts) {
    this.#parts = parts;
  }

  /** Newest first, behind generation `after`. Throws `Failure('not_found')` for a site that is not here. */
  list(siteId: string, limit: number, after = Number.MAX_SAFE_INTEGER): GenerationPage {
    this.#parts.configs.site(siteId);
    const rows = this.#parts.sql.run(
      `${SELECT} AND c.generation < ? ORDER BY c.generation DESC LIMIT ?`,
      siteId,
      after,
      limit + 1,
    );
    const items = rows.slice(0, limit).map((row) => this.#generation(siteId, row));
    return { items, next: rows.length > limit ? String(items.at(-1)?.generation) : null };
  }

  /** Throws `Failure('not_found')` for a site or a generation that is not here. */
  get(siteId: string, generation: number): ConfigGenerationDetail {
    this.#parts.configs.site(siteId);
    const found = this.find(siteId, generation);
    if (found === undefined) {
      const message = `the site "${siteId}" has no generation ${generation}, or none that is kept: clawctl config history ${siteId}`;
      throw new Failure('not_found', message);
    }
    return found;
  }

  find(siteId: string, generation: number): ConfigGenerationDetail | undefined {
    const [row] = this.#parts.sql.run(`${SELECT} AND c.generation = ?`, siteId, generation);
    if (row === undefined) return undefined;
    const config = siteConfig.parse(JSON.parse(text(row, 'config')));
    return { ...this.#generation(siteId, row), config };
  }

  /**
   * The desired generation and the command that brings it, when to ask for its content again would change nothing: it
   * runs, or is on its way. Undefined for one that was refused or withdrawn, so that it can be sent again by an edit.
   * Throws `Failure('not_found')` for a site that is not here.
   */
  inForce(siteId: string): InForce | undefined {
    const { configs, reports, sql } = this.#parts;
    const { generation } = configs.site(siteId);
    const [row] = sql.run(`${SELECT} AND c.generation = ?`, siteId, generation);
    if (row === undefined || row['command_id'] === null) return undefined;
    const digest = text(row, 'digest');
    const runs = reports.running(siteId)?.digest === digest;
    const command = commandState.safeParse(row['state']).data;
    if (!runs && (command === undefined || isFinal(command))) return undefined;
    const state = runs || command === undefined ? 'succeeded' : command;
    return { digest, taken: { commandId: text(row, 'command_id'), state, generation } };
  }

  /** Forgets the oldest, in the caller's transaction; never what runs, nor what ran last. */
  prune(siteId: string, newest: number): void {
    if (newest <= CONFIG_HISTORY_MAX) return;
    const { sql, reports } = this.#parts;
    sql.run(
      `DELETE FROM configs WHERE site_id = ? AND generation <= ? AND generation NOT IN (?, ?)`,
      siteId,
      newest - CONFIG_HISTORY_MAX,
      reports.running(siteId)?.generation ?? 0,
      reports.lastGood(siteId)?.generation ?? 0,
    );
  }

  #generation(siteId: string, row: SqlRow): ConfigGeneration {
    const generation = int(row, 'generation');
    const digest = text(row, 'digest');
    const running = this.#parts.reports.running(siteId);
    const runs = running?.generation === generation && running.digest === digest;
    return {
      generation,
      digest,
      at: int(row, 'at'),
      author: text(row, 'actor'),
      ...(row['note'] === null ? {} : { note: text(row, 'note') }),
      ...standingOf(row, runs),
      ...(row['applied_at'] === null ? {} : { appliedAt: int(row, 'applied_at') }),
      failures: int(row, 'failures'),
      runs,
    };
  }
}

function standingOf(row: SqlRow, runs: boolean): { state: ConfigStanding; why?: string } {
  if (runs) return { state: 'applied' };
  const command = commandState.safeParse(row['state']).data;
  if (command !== undefined && !isFinal(command)) return { state: 'pending', why: WAITS[command] ?? command };
  const failedAt = row['failed_at'] === null ? undefined : int(row, 'failed_at');
  const appliedAt = row['applied_at'] === null ? undefined : int(row, 'applied_at');
  if (failedAt !== undefined && failedAt >= (appliedAt ?? 0)) {
    const state = int(row, 'failures') >= CONFIG_FAILURES_MAX ? 'quarantined' : 'refused';
    return { state, why: text(row, 'error') };
  }
  if (appliedAt !== undefined) return { state: 'applied' };
  if (command === 'cancelled' || command === 'expired') {
    return { state: 'withdrawn', why: row['reason'] === null ? command : text(row, 'reason') };
  }
  return { state: 'pending' };
}

const WAITS: Readonly<Record<string, string>> = {
  queued: 'it waits at the edge for the orchestrator',
  delivered: 'the orchestrator has it, and has not carried it out yet',
  running: 'the orchestrator carries it out',
};
