import {
  type JsonObject,
  jsonObject,
  type LookedAt,
  type Sql,
  type WorkerCheck,
  type WorkerStatus,
} from '@clawdbot/protocol';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Events } from '../sync/index.ts';
import { Checks } from './checks.ts';
import type { Visit } from './visit.ts';

export interface UptimeOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly sql: Sql;
  readonly events: Pick<Events, 'record'>;
  readonly workers: (siteId?: string) => WorkerStatus[];
  /** Never rejects. */
  readonly visit: (url: string, signal: AbortSignal) => Promise<Visit>;
}

/** Addresses that are asked at the same time: five hundred take seconds. */
const AT_ONCE = 16;
/** A first failure is looked at again: one alone says nothing. */
const CONFIRM_MS = 5_000;
/** Cloudflare renews certificates a month ahead: with less than a week left nobody does. */
const CERTIFICATE_DAYS_MIN = 7;

/** A deployed Worker that has an address, and whose somebody is. */
interface Watched {
  readonly name: string;
  readonly siteId: string;
  readonly url: string;
  /** What is asked for there, and what has to be answered, if its deployment said so. */
  readonly lookedAt: LookedAt | undefined;
}

/**
 * Looks at every deployed Worker as a customer would: whether it answers, how quickly, which version, and how long its
 * certificate holds. An event is recorded when one becomes unhealthy or healthy again, and nothing else, so that an
 * idle channel stays idle; the looks themselves are kept for a while, and with them what was said last.
 */
export class Uptime {
  readonly #options: UptimeOptions;
  readonly #checks: Checks;
  /** As of the last round: a status is asked for too often to count hundreds of Workers' looks each time. */
  #health: ReturnType<Checks['health']>;

  constructor(options: UptimeOptions) {
    this.#options = options;
    this.#checks = new Checks(options.sql);
    this.#health = this.#checks.health();
  }

  /** One round. @returns whether events were recorded. Throws `LeaseLost`, and what the database throws */
  async check(signal: AbortSignal): Promise<boolean> {
    const workers = this.#options.workers();
    const watched = workers.flatMap(watchedOf);
    // Also of one that is being deployed: its history goes on when that has ended.
    this.#checks.keepOnly(workers.map(({ name }) => name));
    let told = false;
    for (let done = 0; done < watched.length; done += AT_ONCE) {
      const some = watched.slice(done, done + AT_ONCE);
      const looks = await Promise.all(
        some.map(async (worker) => [worker, await this.#look(worker, signal)] as const),
      );
      if (signal.aborted) return told;
      const changes = this.#options.sql.transaction(() => looks.filter((look) => this.#conclude(...look)));
      for (const change of changes) this.#log(...change);
      told ||= changes.length > 0;
    }
    this.#health = this.#checks.health();
    return told;
  }

  /** The Workers, with the last look at each that was looked at. */
  workers(siteId?: string): WorkerStatus[] {
    return this.#options.workers(siteId).map((worker) => {
      const health = this.#health.get(worker.name);
      return health === undefined ? worker : { ...worker, health };
    });
  }

  /** The latest looks at a Worker, the newest first. */
  checks(name: string): WorkerCheck[] {
    return this.#checks.latest(name);
  }

  async #look(worker: Watched, signal: AbortSignal): Promise<WorkerCheck> {
    const { visit, clock } = this.#options;
    const { url, lookedAt } = worker;
    // On the Worker's own host whatever the path is: resolved against it, `//10.0.0.1/` would be another machine's.
    const address = lookedAt === undefined ? url : new URL(url).origin + lookedAt.path;
    const look = async () => judged(await visit(address, signal), lookedAt, clock.now());
    const first = await look();
    if (first.ok || this.#isUnhealthy(worker)) return first;
    await pause(clock, CONFIRM_MS, signal);
    return look();
  }

  /** One that was never looked at counts as healthy. */
  #isUnhealthy({ name }: Watched): boolean {
    return this.#checks.latest(name, 1)[0]?.ok === false;
  }

  /** @returns whether the Worker has become unhealthy or healthy again */
  #conclude(worker: Watched, check: WorkerCheck): boolean {
    const { name, siteId } = worker;
    const isChanged = check.ok === this.#isUnhealthy(worker);
    this.#checks.add(name, check);
    if (isChanged) this.#options.events.record({ type: 'health_check', siteId, data: dataOf(name, check) });
    return isChanged;
  }

  #log({ name, siteId }: Watched, { ok, detail }: WorkerCheck): void {
    const { log } = this.#options;
    if (ok) log.info('a Worker is healthy again', { name, siteId });
    else log.warn('a Worker is unhealthy', { name, siteId, detail });
  }
}

/** As the health of a site's upstreams is told; `worker` says whose it is. */
function dataOf(
  name: string,
  { ok, detail, latencyMs, status, version, certificateDays }: WorkerCheck,
): JsonObject {
  const check = { name: `Worker ${name}`, ok, detail, latencyMs, status, version, certificateDays };
  return jsonObject.parse({
    status: ok ? 'healthy' : 'unhealthy',
    worker: name,
    checks: [Object.fromEntries(Object.entries(check).filter(([, value]) => value !== undefined))],
  });
}

/** What nothing is being deployed to: a rollout watches its own versions. */
function watchedOf({ name, siteId, url, state, lookedAt }: WorkerStatus): Watched[] {
  if (state !== 'deployed' || siteId === undefined || !/^https?:/.test(url ?? '')) return [];
  return [{ name, siteId, url: url ?? '', lookedAt }];
}

function judged(visited: Visit, lookedAt: LookedAt | undefined, at: number): WorkerCheck {
  const { error: _said, ...visit } = visited;
  const detail = wrongIn(visited, lookedAt);
  return { at, ok: detail === undefined, ...visit, ...(detail === undefined ? {} : { detail }) };
}

function wrongIn(
  { status, error, certificateDays }: Visit,
  lookedAt: LookedAt | undefined,
): string | undefined {
  if (status === undefined) return error ?? 'nobody answered';
  const wrong = wrongStatus(status, lookedAt);
  if (wrong !== undefined) return wrong;
  if (certificateDays === undefined || certificateDays >= CERTIFICATE_DAYS_MIN) return undefined;
  return `its certificate ends in ${certificateDays} days`;
}

/**
 * Where nobody said what is right, a Worker that answers is alive: it may know nothing of "/" (404), or want a password.
 * At 500 and above it says itself that it fails, or Cloudflare says it in its place.
 */
function wrongStatus(status: number, lookedAt: LookedAt | undefined): string | undefined {
  if (lookedAt === undefined) return status >= 500 ? `it answered ${status}` : undefined;
  if (status === lookedAt.status) return undefined;
  return `it answered ${status} at ${lookedAt.path}, where ${lookedAt.status} is right`.slice(
    0,
    DETAIL_CHARS_MAX,
  );
}

/** protocol's `workerCheck` takes 250, and a path may be longer. */
const DETAIL_CHARS_MAX = 250;
