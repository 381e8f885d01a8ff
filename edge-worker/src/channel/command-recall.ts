import { type CommandType, commandType, int, type Sql, text } from '@clawdbot/protocol';

export interface Unfinished {
  readonly id: string;
  readonly seq: number;
  readonly type: CommandType;
}

/** More than a command has changes of its state, of its reason and of its words. */
const VERSIONS_OF_A_LIFE = 1_000;

/** What has to be known of commands when the orchestrator's database is another one. */
export class CommandRecall {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Open commands behind position `after` that the VPS had, or may have had: those up to `offered`. */
  unfinished(after: number, offered: number): Unfinished[] {
    return this.#sql
      .run(
        `SELECT id, seq, type FROM commands
         WHERE state IN ('queued', 'delivered', 'running') AND seq > ? AND (state <> 'queued' OR seq <= ?)
         ORDER BY seq`,
        after,
        offered,
      )
      .map((row) => ({ id: text(row, 'id'), seq: int(row, 'seq'), type: commandType.parse(row['type']) }));
  }

  /** Commands that have ended, with their positions behind `after`. */
  endedBehind(after: number): { id: string; seq: number }[] {
    return this.#sql
      .run(
        `SELECT id, seq FROM commands WHERE seq > ? AND state NOT IN ('queued', 'delivered', 'running')`,
        after,
      )
      .map((row) => ({ id: text(row, 'id'), seq: int(row, 'seq') }));
  }

  /** Commands that have ended since `at`. */
  endedSince(at: number): string[] {
    return this.#sql
      .run(
        `SELECT id FROM commands WHERE state NOT IN ('queued', 'delivered', 'running') AND updated_at >= ?`,
        at,
      )
      .map((row) => text(row, 'id'));
  }

  /**
   * This object was restored: what D1 shows of its commands may be of a time that is lost, under versions that are given
   * out again. D1 is told all of them anew, under higher ones than any command reaches in its life.
   */
  tellAnew(): void {
    this.#sql.run(`UPDATE commands SET version = version + ?`, VERSIONS_OF_A_LIFE);
  }

  /** Is a command open that brings this generation of a site's config? */
  bringing(siteId: string, generation: number): boolean {
    return (
      this.#sql.run(
        `SELECT 1 FROM commands WHERE state IN ('queued', 'delivered', 'running')
         AND site_id = ? AND generation = ? AND type = 'update_config' LIMIT 1`,
        siteId,
        generation,
      ).length > 0
    );
  }
}
