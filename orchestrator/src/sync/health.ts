import { type Sql, text } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { LeaseLost } from '../store/index.ts';
import type { Events } from './events.ts';

/** One thing that a site needs, as the event's `data.checks` has it. */
export interface Check {
  /** An upstream's origin, `tunnel` or `storage`. */
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly latencyMs?: number;
}

export interface HealthWatchOptions {
  readonly clock: Clock;
  /** From 0 to 1, below 1. */
  readonly random: () => number;
  readonly log: Logger;
  readonly sql: Sql;
  readonly events: Pick<Events, 'record'>;
  /** Sites with the origins of their routes' upstreams. */
  readonly sites: () => readonly SiteNeeds[];
  /** What every site needs of this machine. */
  readonly machine: () => readonly Check[];
  /** Whether an upstream takes connections. Never rejects. */
  readonly look: (origin: string, signal: AbortSignal) => Promise<Check>;
  /** Events were recorded: wake the log. */
  readonly onRecorded: () => void;
  readonly onLeaseLost: (error: LeaseLost) => void;
}

export interface SiteNeeds {
  readonly siteId: string;
  readonly origins: readonly string[];
}

const INTERVAL_MS = 30_000;
/** A first failure is looked at again sooner: one alone says nothing, e.g. while an upstream restarts. */
const CONFIRM_MS = 5_000;
/** Failures in a row that make a site unhealthy; one success makes it healthy again. */
const FAILURES = 2;
/** Of an interval, at random: orchestrators that started together must not look together. */
const JITTER = 0.2;
/** Connections that are opened at the same time. */
const AT_ONCE = 32;
/** Checks that an event lists, failed ones first: it must fit an entry. */
const CHECKS_MAX = 50;

/**
 * Looks again and again at what each site needs, and records an event when a site becomes unhealthy or healthy
 * again; nothing else, so that an idle channel stays idle. What was said last is in the database: a restart
 * does not say it again.
 */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #stopped = new AbortController();
  /** Failures in a row, of sites that are not known as unhealthy. */
  #failures: ReadonlyMap<string, number> = new Map();
  #cancel: () => void = () => {};
  #round: Promise<void> = Promise.resolve();

  constructor(options: HealthWatchOptions) {
    this.#options = options;
  }

  /** The first look comes a little later: what was started together with us may need a moment. */
  start(): void {
    this.#cancel = this.#after(CONFIRM_MS);
  }

  /** Resolves when no look is under way any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancel();
    await this.#round;
  }

  #after(ms: number): () => void {
    const { clock, random } = this.#options;
    return clock.after(ms * (1 - JITTER * random()), () => {
      this.#round = this.#look();
    });
  }

  async #look(): Promise<void> {
    const { sites, machine, log, onLeaseLost } = this.#options;
    try {
      const needy = sites().filter(({ origins }) => origins.length > 0);
      const upstreams = await this.#lookAt(new Set(needy.flatMap(({ origins }) => origins)));
      if (this.#stopped.signal.aborted) return;
      const own = machine();
      this.#conclude(
        new Map(
          needy.map(({ siteId, origins }) => {
            const theirs = [...new Set(origins)].flatMap((origin) => upstreams.get(origin) ?? []);
            return [siteId, [...theirs, ...own]];
          }),
        ),
      );
    } catch (error) {
      if (error instanceof LeaseLost) return onLeaseLost(error);
      // What could not be written down is seen again in the next round.
      log.error('the health of the sites could not be recorded', { error });
    }
    this.#cancel = this.#after(this.#failures.size > 0 ? CONFIRM_MS : INTERVAL_MS);
  }

  async #lookAt(origins: ReadonlySet<string>): Promise<Map<string, Check>> {
    const { look } = this.#options;
    const left = [...origins];
    const checks = new Map<string, Check>();
    while (left.length > 0) {
      const some = left.splice(0, AT_ONCE);
      const found = await Promise.all(some.map((origin) => look(origin, this.#stopped.signal)));
      for (const [index, check] of found.entries()) checks.set(some[index] ?? '', check);
    }
    return checks;
  }

  #conclude(sites: ReadonlyMap<string, readonly Check[]>): void {
    const { sql, onRecorded } = this.#options;
    const rows = sql.run(`SELECT site_id FROM unhealthy_sites`);
    const unhealthy = new Set(rows.map((row) => text(row, 'site_id')));
    const failures = new Map<string, number>();
    for (const [siteId, checks] of sites) {
      const ok = checks.every((check) => check.ok);
      if (ok === !unhealthy.has(siteId)) continue;
      const failed = ok ? 0 : (this.#failures.get(siteId) ?? 0) + 1;
      if (!ok && failed < FAILURES) {
        failures.set(siteId, failed);
        continue;
      }
      this.#changed(siteId, ok, checks);
      onRecorded();
    }
    this.#failures = failures;
    // One that was deleted, or has no routes any more.
    for (const siteId of unhealthy) if (!sites.has(siteId)) this.#forget(siteId);
  }

  #changed(siteId: string, ok: boolean, checks: readonly Check[]): void {
    const { sql, clock, events, log } = this.#options;
    const listed = checks.toSorted((a, b) => Number(a.ok) - Number(b.ok)).slice(0, CHECKS_MAX);
    sql.transaction(() => {
      if (ok) this.#forget(siteId);
      else sql.run(`INSERT INTO unhealthy_sites (site_id, since) VALUES (?, ?)`, siteId, clock.now());
      const data = { status: ok ? 'healthy' : 'unhealthy', checks: listed.map((check) => ({ ...check })) };
      events.record({ type: 'health_check', siteId, data });
    });
    if (ok) log.info('a site is healthy again', { siteId });
    else log.warn('a site is unhealthy', { siteId, checks: listed.filter((check) => !check.ok) });
  }

  #forget(siteId: string): void {
    this.#options.sql.run(`DELETE FROM unhealthy_sites WHERE site_id = ?`, siteId);
  }
}
