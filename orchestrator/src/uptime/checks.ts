import { int, type Sql, type SqlRow, text, type WorkerCheck, workerCheck } from '@clawdbot/protocol';

/** Of each Worker: eight hours at one look in five minutes. */
const CHECKS_KEPT = 96;

/** The last look at a Worker, and how many of those kept were good. */
type Health = WorkerCheck & { readonly looks: number; readonly good: number };

/** The latest looks at each deployed Worker, bounded: the `worker_checks` table. */
export class Checks {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** In the caller's transaction, with the event that may tell of it. */
  add(
    name: string,
    { at, ok, path, status, latencyMs, version, certificateDays, detail }: WorkerCheck,
  ): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO worker_checks (name, at, ok, status, latency_ms, version, certificate_days, detail, path)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[name, at, Number(ok), status ?? null, latencyMs ?? null, version ?? null],
      ...[certificateDays ?? null, detail ?? null, path ?? null],
    );
    this.#sql.run(
      `DELETE FROM worker_checks WHERE name = ?1 AND at <= (
         SELECT at FROM worker_checks WHERE name = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)`,
      name,
      CHECKS_KEPT,
    );
  }

  /** The newest first. */
  latest(name: string, limit: number = CHECKS_KEPT): WorkerCheck[] {
    return this.#sql
      .run(`SELECT * FROM worker_checks WHERE name = ? ORDER BY at DESC LIMIT ?`, name, limit)
      .map(checkOf);
  }

  /** Of every Worker that was looked at, by its name. */
  health(): Map<string, Health> {
    // SQLite takes the other columns from the row that has the maximum.
    const rows = this.#sql.run(
      `SELECT *, MAX(at) AS at, COUNT(*) AS looks, SUM(ok) AS good FROM worker_checks GROUP BY name`,
    );
    return new Map(
      rows.map((row) => [
        text(row, 'name'),
        { ...checkOf(row), looks: int(row, 'looks'), good: int(row, 'good') },
      ]),
    );
  }

  /** Forgets all Workers but these. */
  keepOnly(names: readonly string[]): void {
    const listed = JSON.stringify(names);
    this.#sql.run(`DELETE FROM worker_checks WHERE name NOT IN (SELECT value FROM json_each(?))`, listed);
  }
}

/** A column that may be empty is absent. */
const checkOf = (row: SqlRow): WorkerCheck =>
  workerCheck.parse({
    at: row['at'],
    ok: row['ok'] === 1,
    path: row['path'] ?? undefined,
    status: row['status'] ?? undefined,
    latencyMs: row['latency_ms'] ?? undefined,
    version: row['version'] ?? undefined,
    certificateDays: row['certificate_days'] ?? undefined,
    detail: row['detail'] ?? undefined,
  });
