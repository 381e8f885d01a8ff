import {
  type DeployResult,
  jsonObject,
  type LookedAt,
  type Sql,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { Events } from '../sync/index.ts';
import { type Checked, checkedOf, deploymentOf, type KnownWorker, knownOf, statusOf } from './rows.ts';
import type { Deployment, Facts, Step } from './state.ts';

export type Command = Pick<Deployment, 'commandId' | 'siteId' | 'name'>;
/** Told in the transaction of the fact; how it is said is the caller's. */
type Said = () => void;

/** What a deployment gives its Worker beside a version, each as JSON; what is absent stays as it is. */
export interface Kept {
  readonly routes?: string;
  readonly domains?: string;
  /** `null`: nobody said. */
  readonly lookedAt?: string;
}

/** What this orchestrator intends and knows of its deployments and Workers: the tables that outlive a crash. */
export class Records {
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #events: Pick<Events, 'record'>;

  constructor(sql: Sql, now: () => number, events: Pick<Events, 'record'>) {
    this.#sql = sql;
    this.#now = now;
    this.#events = events;
  }

  find(commandId: string): Deployment | undefined {
    const [row] = this.#sql.run(`SELECT * FROM deployments WHERE command_id = ?`, commandId);
    return row === undefined ? undefined : deploymentOf(row);
  }

  worker(name: string): KnownWorker | undefined {
    const [row] = this.#sql.run(`SELECT * FROM workers WHERE name = ?`, name);
    return row === undefined ? undefined : knownOf(row);
  }

  /** Before the first call. The Worker stays as it is known: what is refused yet makes none, and takes none over. */
  intend({ commandId, name, siteId }: Command, said: Said): Deployment {
    return this.#sql.transaction(() => {
      const at = this.#now();
      this.#begin({ commandId, name, siteId }, at, { receipts: { intended: { at } } });
      said();
      return { commandId, name, siteId, step: 'intended', facts: { receipts: { intended: { at } } } };
    });
  }

  /** Goes on to the next step, with what has become known. The first one is before the first call that changes anything. */
  advance(deployment: Deployment, step: Step, known: Partial<Facts>, said: Said): Deployment {
    return this.#sql.transaction(() => {
      if (deployment.step === 'intended') this.#take(deployment, step);
      const next = this.#write(deployment, step, known);
      said();
      return next;
    });
  }

  /** As `advance`, and tells it to whoever follows the events: the version's traffic has changed. */
  shifted(deployment: Deployment, step: Step, known: Partial<Facts>, said: Said): Deployment {
    return this.#sql.transaction(() => {
      const next = this.#write(deployment, step, known);
      this.#event(next, 'shifting', { percentage: next.facts.percentage ?? 0 });
      said();
      return next;
    });
  }

  succeeded(deployment: Deployment, given: Kept, known: Facts, said: Said): Deployment {
    const { result } = known;
    if (result === undefined) throw new TypeError('a deployment that has succeeded has a result');
    return this.#sql.transaction(() => {
      const next = this.#write(deployment, 'succeeded', known);
      this.#appear(next.name, this.#now());
      this.#sql.run(
        `UPDATE workers SET site_id = ?2, url = ?3, version_id = ?4, deployment_id = ?5, proof = ?6,
           state = 'deployed', drift = NULL, at = ?7, routes = COALESCE(?8, routes), domains = COALESCE(?9, domains),
           looked_at = NULLIF(COALESCE(?10, looked_at), 'null')
         WHERE name = ?1`,
        deployment.name,
        deployment.siteId,
        result.url,
        result.versionId,
        result.deploymentId,
        result.proof,
        this.#now(),
        given.routes ?? null,
        given.domains ?? null,
        given.lookedAt ?? null,
      );
      this.#event(next, 'deployed', { percentage: 100, ...result, ...this.#lookedAt(next) });
      said();
      return next;
    });
  }

  /** A Worker that was made elsewhere is this site's from now on, as it is. */
  adopted(
    { commandId, name, siteId }: Command,
    result: DeployResult,
    lookedAt: LookedAt | undefined,
    said: Said,
  ): void {
    const { receipts, versionId, deploymentId, url, proof } = result;
    this.#sql.transaction(() => {
      const at = this.#now();
      const { intended } = receipts;
      this.#begin({ commandId, name, siteId }, intended.at, { receipts });
      const done = { commandId, name, siteId, step: 'intended', facts: { receipts } } satisfies Deployment;
      const next = this.#write(done, 'succeeded', { versionId, deploymentId, result });
      this.#sql.run(
        `INSERT INTO workers (name, site_id, url, version_id, deployment_id, proof, state, at, looked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'deployed', ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET site_id = ?2, url = ?3, version_id = ?4, deployment_id = ?5, proof = ?6,
           state = 'deployed', drift = NULL, at = ?7, routes = NULL, domains = NULL, looked_at = ?8`,
        ...[name, siteId, url, versionId, deploymentId, proof, at],
        lookedAt === undefined ? null : JSON.stringify(lookedAt),
      );
      this.#event(next, 'adopted', { ...result, ...this.#lookedAt(next) });
      said();
    });
  }

  /**
   * The Worker keeps the version it had, and is deployed: that one serves. Without one it has failed. One that was not yet
   * being deployed stays as it is: it may be another site's.
   */
  ended(deployment: Deployment, why: NonNullable<Facts['why']>): Deployment {
    return this.#sql.transaction(() => {
      const next = this.#write(deployment, why.end, { why });
      const { versionId, deploymentId } = next.facts;
      this.#event(next, why.end, {
        ...(versionId && { versionId }),
        ...(deploymentId && { deploymentId }),
        error: why.message.slice(0, ERROR_CHARS_MAX),
      });
      this.#sql.run(
        `UPDATE workers SET state = CASE WHEN version_id IS NULL THEN 'failed' ELSE 'deployed' END, at = ?
         WHERE name = ? AND state = 'deploying'`,
        this.#now(),
        deployment.name,
      );
      return next;
    });
  }

  /** Deployed Workers with versions, that nothing is being deployed to: longest not looked at first. */
  toCheck(limit: number): Checked[] {
    return this.#sql
      .run(
        `SELECT * FROM workers
         WHERE state = 'deployed' AND version_id IS NOT NULL AND site_id IS NOT NULL AND name NOT LIKE '%/%'
         ORDER BY checked_at, name LIMIT ?`,
        limit,
      )
      .map(checkedOf);
  }

  /** Unless it was deployed anew meanwhile. @returns whether anything was told: that it differs, or no more */
  checked(
    { name, siteId, versionId, drift: before }: Omit<Checked, 'routes' | 'domains'>,
    drift: string | undefined,
  ): boolean {
    return this.#sql.transaction(() => {
      const rows = this.#sql.run(
        `UPDATE workers SET checked_at = ?, drift = ? WHERE name = ? AND version_id = ? AND state = 'deployed'
         RETURNING name`,
        this.#now(),
        drift ?? null,
        name,
        versionId,
      );
      if (rows.length === 0 || drift === before) return false;
      const data =
        drift === undefined ? { status: 'aligned', name } : { status: 'drifted', name, error: drift };
      this.#events.record({ type: 'worker_deployment', siteId, data: { ...data, versionId } });
      return true;
    });
  }

  /** A deleted site's Workers stay, and are nobody's; a moved one's are another orchestrator's. In the caller's transaction. */
  release(siteId: string, isMoved: boolean): void {
    const what = isMoved ? 'DELETE FROM workers' : 'UPDATE workers SET site_id = NULL';
    this.#sql.run(`${what} WHERE site_id = ?`, siteId);
  }

  workers(siteId?: string): WorkerStatus[] {
    const rows =
      siteId === undefined
        ? this.#sql.run(`SELECT * FROM workers ORDER BY name`)
        : this.#sql.run(`SELECT * FROM workers WHERE site_id = ? ORDER BY name`, siteId);
    return rows.map(statusOf);
  }

  #take({ name, siteId }: Deployment, next: Step): void {
    const at = this.#now();
    // To go back to an earlier version makes no Worker: there may be none.
    if (next === 'uploading') this.#appear(name, at);
    this.#sql.run(
      `UPDATE workers SET site_id = ?2, state = 'deploying', at = ?3 WHERE name = ?1`,
      ...[name, siteId, at],
    );
  }

  /** Told with the version, since a site may be moved before the next status. */
  #lookedAt({ name }: Command): Pick<WorkerStatus, 'lookedAt'> {
    const lookedAt = this.worker(name)?.lookedAt;
    return lookedAt === undefined ? {} : { lookedAt };
  }

  #appear(name: string, at: number): void {
    this.#sql.run(
      `INSERT INTO workers (name, state, at) VALUES (?, 'deploying', ?) ON CONFLICT (name) DO NOTHING`,
      ...[name, at],
    );
  }

  #begin({ commandId, name, siteId }: Command, at: number, known: Facts): void {
    this.#sql.run(
      `INSERT INTO deployments (command_id, name, site_id, state, started_at, facts)
       VALUES (?, ?, ?, 'intended', ?, ?)`,
      ...[commandId, name, siteId, at, JSON.stringify(known)],
    );
  }

  #write(deployment: Deployment, step: Step, known: Partial<Facts>): Deployment {
    const next: Deployment = { ...deployment, step, facts: { ...deployment.facts, ...known } };
    const { versionId, deploymentId } = next.facts;
    const isOver = step === 'succeeded' || step === 'failed' || step === 'cancelled';
    this.#sql.run(
      `UPDATE deployments SET state = ?, facts = ?, version_id = ?, deployment_id = ?, ended_at = ?
       WHERE command_id = ?`,
      step,
      JSON.stringify(next.facts),
      versionId ?? null,
      deploymentId ?? null,
      isOver ? this.#now() : null,
      deployment.commandId,
    );
    return next;
  }

  #event({ siteId, name, commandId, facts: { receipts } }: Deployment, status: string, data: object): void {
    this.#events.record({
      type: 'worker_deployment',
      siteId,
      data: jsonObject.parse({ status, name, commandId, ...data, receipts }),
    });
  }
}

/** Of a failure's reason: Cloudflare's own words may be long. */
const ERROR_CHARS_MAX = 2_000;
