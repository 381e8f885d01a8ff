import { Cache, type Source } from './cache.ts';
import { queried } from './query.ts';

/** Where a site's requests go. */
export interface SiteEntry {
  readonly siteId: string;
  readonly orgId: string;
  readonly orchestratorId: string;
  readonly paused: boolean;
}

/** D1 and the request on whose behalf it is asked. */
export interface Asker {
  readonly db: D1Database;
  background(task: Promise<unknown>): void;
}

const TIMES = { freshMs: 10_000, idleMs: 5 * 60_000, absentMs: 2_000, faultMs: 24 * 60 * 60_000 };
/** A few hundred bytes each, of the isolate's 128 MB. */
const ENTRIES_MAX = 10_000;

/** The hot path's view of D1: which site a hostname is, and which orchestrator has a site. */
export class Directory {
  readonly #sites: Cache<SiteEntry>;
  readonly #hostnames: Cache<string>;

  constructor(now: () => number) {
    this.#sites = new Cache({ ...TIMES, entriesMax: ENTRIES_MAX, now });
    this.#hostnames = new Cache({ ...TIMES, entriesMax: ENTRIES_MAX, now });
  }

  site(siteId: string, asker: Asker): Promise<SiteEntry | undefined> {
    return this.#sites.get(
      siteId,
      source(asker, () => loadSite(asker.db, siteId)),
    );
  }

  async siteOfHostname(hostname: string, asker: Asker): Promise<SiteEntry | undefined> {
    const siteId = await this.#hostnames.get(
      hostname,
      source(asker, () => loadHostname(asker.db, hostname)),
    );
    return siteId === undefined ? undefined : this.site(siteId, asker);
  }

  /** Something was changed here: this isolate asks D1 again; others do so within `freshMs`. */
  forget(siteId: string, hostnames: readonly string[]): void {
    this.#sites.forget(siteId);
    for (const hostname of hostnames) this.#hostnames.forget(hostname);
  }
}

const source = <V>({ background }: Asker, load: () => Promise<V | undefined>): Source<V> => ({
  background,
  load: () => queried(load()),
});

interface SiteRow {
  readonly org_id: string;
  readonly orchestrator_id: string;
  readonly paused: number;
}

async function loadSite(db: D1Database, siteId: string): Promise<SiteEntry | undefined> {
  const row = await db
    .prepare('SELECT org_id, orchestrator_id, paused FROM orc_sites WHERE id = ?')
    .bind(siteId)
    .first<SiteRow>();
  if (row === null) return undefined;
  return { siteId, orgId: row.org_id, orchestratorId: row.orchestrator_id, paused: row.paused === 1 };
}

async function loadHostname(db: D1Database, hostname: string): Promise<string | undefined> {
  const siteId = await db
    .prepare('SELECT site_id FROM orc_hostnames WHERE hostname = ?')
    .bind(hostname)
    .first<string>('site_id');
  return siteId ?? undefined;
}
