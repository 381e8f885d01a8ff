import { int, type Sql } from '@clawdbot/protocol';

/** Calls that are written down as made before they are: one commit for so many, and so many are lost by a kill at most. */
const AHEAD = 10;

/**
 * What was spent of the API's budget, as it outlives this process. Calls are reserved some at a time, ahead: a process
 * that is killed may have made fewer than is written here, and never more. Of those that were reserved together only
 * the last call's time is kept, since a call that counts for longer than it must is no harm.
 */
export class SpentCalls {
  readonly #sql: Sql;
  readonly #now: () => number;
  /** Of what this process has reserved last. */
  #left = 0;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /**
   * The times of calls that an earlier process has made, or may have: oldest first. What it had reserved last may have
   * been used up to this moment.
   */
  recall(): number[] {
    const now = this.#now();
    return this.#sql
      .run(`SELECT MIN(COALESCE(until, ?1), ?1) AS until, calls FROM api_calls ORDER BY 1`, now)
      .flatMap((row) => Array<number>(int(row, 'calls')).fill(int(row, 'until')));
  }

  /** Before a call. `forgetBefore`: calls of that time and before do not count any more. Throws `LeaseLost`, and what the database throws. */
  spend(forgetBefore: number): void {
    if (this.#left === 0) this.#reserve(forgetBefore);
    this.#left--;
  }

  /** Nobody calls before that time. */
  hold(until: number): void {
    this.#sql.transaction(() =>
      this.#sql.run(
        `INSERT INTO meta (key, value) VALUES ('api_held_until', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1`,
        String(until),
      ),
    );
  }

  get heldUntil(): number {
    const [row] = this.#sql.run(`SELECT value FROM meta WHERE key = 'api_held_until'`);
    return Number(row?.['value'] ?? 0);
  }

  #reserve(forgetBefore: number): void {
    this.#sql.transaction(() => {
      // Used up by now, or nobody knows; or made before the clock was put back.
      this.#sql.run(`UPDATE api_calls SET until = ?1 WHERE until IS NULL OR until > ?1`, this.#now());
      this.#sql.run(`DELETE FROM api_calls WHERE until <= ?`, forgetBefore);
      this.#sql.run(`INSERT INTO api_calls (calls) VALUES (?)`, AHEAD);
    });
    this.#left = AHEAD;
  }
}
