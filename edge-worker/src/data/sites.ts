import { Failure, type PatchSite, type Site } from '@clawdbot/protocol';
import type { SiteFilter } from '@clawdbot/protocol/routes';
import { z } from 'zod';
import { type Page, pageOf } from './cursor.ts';
import { queried } from './query.ts';

interface Row {
  readonly id: string;
  readonly org_id: string;
  readonly orchestrator_id: string;
  readonly name: string;
  readonly labels: string;
  readonly paused: number;
  readonly created_at: number;
  readonly moving_to: string | null;
  /** JSON array, or null for none. */
  readonly hostnames: string | null;
}

const SELECT = `
  SELECT s.*, (SELECT json_group_array(hostname) FROM (SELECT hostname FROM orc_hostnames h
    WHERE h.site_id = s.id ORDER BY hostname)) AS hostnames,
    (SELECT target FROM orc_moves m WHERE m.site_id = s.id AND m.source = s.orchestrator_id
       AND m.state IN ('preparing', 'moving') ORDER BY created_at DESC LIMIT 1) AS moving_to
  FROM orc_sites s`;

/** The sites of one organisation. Every statement names it, so that no id reaches another's row. */
export class Sites {
  readonly #db: D1Database;
  readonly #orgId: string;

  constructor(db: D1Database, orgId: string) {
    this.#db = db;
    this.#orgId = orgId;
  }

  /** Ids of those on one orchestrator, behind `after`. */
  async idsOn(orchestratorId: string, limit: number, after = ''): Promise<Page<string>> {
    const { results } = await queried(
      this.#db
        .prepare(
          'SELECT id FROM orc_sites WHERE org_id = ? AND orchestrator_id = ? AND id > ? ORDER BY id LIMIT ?',
        )
        .bind(this.#orgId, orchestratorId, after, limit + 1)
        .all<{ id: string }>(),
    );
    return pageOf(
      results.map(({ id }) => id),
      limit,
      (id) => id,
    );
  }

  /** By id, behind `after`, with all the labels asked for. */
  async list({ limit, after = '', label = [] }: SiteFilter): Promise<Page<Site>> {
    const labels = [label].flat().map(splitLabel);
    const { results } = await queried(
      this.#db
        .prepare(
          `${SELECT} WHERE s.org_id = ? AND s.id > ?
         ${labels.map(() => 'AND json_extract(s.labels, ?) = ?').join(' ')} ORDER BY s.id LIMIT ?`,
        )
        .bind(this.#orgId, after, ...labels.flat(), limit + 1)
        .all<Row>(),
    );
    return pageOf(results.map(siteOf), limit, ({ id }) => id);
  }

  /**
   * Throws `not_found` on one that is not there or not this organisation's: the caller cannot tell which. Of one that
   * was this organisation's it says so.
   */
  async get(id: string): Promise<Site> {
    const site = await this.find(id);
    if (site !== undefined) return site;
    const why = (await this.#wasHere(id))
      ? `the site "${id}" was deleted`
      : `no site "${id}" in this organisation`;
    throw new Failure('not_found', why);
  }

  async find(id: string): Promise<Site | undefined> {
    const row = await queried(
      this.#db.prepare(`${SELECT} WHERE s.org_id = ? AND s.id = ?`).bind(this.#orgId, id).first<Row>(),
    );
    return row === null ? undefined : siteOf(row);
  }

  async #wasHere(id: string): Promise<boolean> {
    const former = await queried(
      this.#db
        .prepare('SELECT 1 FROM orc_former_sites WHERE org_id = ? AND id = ?')
        .bind(this.#orgId, id)
        .first(),
    );
    return former !== null;
  }

  /**
   * Throws `conflict` when the id is taken, by whomever: it is unique everywhere, and for good. One that was another
   * organisation's still names that one's Workers.
   */
  async refuseTakenId(id: string): Promise<void> {
    const taken = await queried(
      this.#db
        .prepare(
          `SELECT 1 FROM orc_sites WHERE id = ?1
           UNION ALL SELECT 1 FROM orc_former_sites WHERE id = ?1 AND org_id <> ?2`,
        )
        .bind(id, this.#orgId)
        .first(),
    );
    if (taken !== null) throw new Failure('conflict', `the site id "${id}" is taken; choose another`);
  }

  /** Throws `conflict` when a host name is another site's, whosesoever that is. */
  async refuseTakenHostnames(id: string, hostnames: readonly string[]): Promise<void> {
    const taken = await queried(
      this.#db
        .prepare(
          `SELECT hostname FROM orc_hostnames
         WHERE site_id != ? AND hostname IN (SELECT value FROM json_each(?))`,
        )
        .bind(id, JSON.stringify(hostnames))
        .first<string>('hostname'),
    );
    if (taken !== null) throw new Failure('conflict', `the host name "${taken}" is another site's`);
  }

  /** All or nothing. Throws `conflict` when the id or a hostname is taken. */
  async create(site: Site): Promise<void> {
    const insert = this.#db
      .prepare(
        `INSERT INTO orc_sites (id, org_id, orchestrator_id, name, labels, paused, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .bind(
        site.id,
        this.#orgId,
        site.orchestratorId,
        site.name,
        JSON.stringify(site.labels),
        Number(site.paused),
        site.createdAt,
      );
    await this.#write([insert, this.#insertHostnames(site.id, site.hostnames)]);
  }

  /** All or nothing: what is given replaces what was. The site must be this organisation's (`get` it first). */
  async patch(id: string, { name, labels, paused, hostnames }: PatchSite): Promise<void> {
    const update = this.#db
      .prepare(
        `UPDATE orc_sites SET name = coalesce(?, name), labels = coalesce(?, labels),
           paused = coalesce(?, paused) WHERE org_id = ? AND id = ?`,
      )
      .bind(
        name ?? null,
        labels === undefined ? null : JSON.stringify(labels),
        paused === undefined ? null : Number(paused),
        this.#orgId,
        id,
      );
    const replaced =
      hostnames === undefined ? [] : [this.#deleteHostnames(id), this.#insertHostnames(id, hostnames)];
    await this.#write([update, ...replaced]);
  }

  async remove(id: string): Promise<void> {
    const site = this.#db.prepare('DELETE FROM orc_sites WHERE org_id = ? AND id = ?').bind(this.#orgId, id);
    const former = this.#db
      .prepare('INSERT OR IGNORE INTO orc_former_sites (id, org_id) VALUES (?, ?)')
      .bind(id, this.#orgId);
    await this.#write([this.#deleteHostnames(id), site, former]);
  }

  #insertHostnames(id: string, hostnames: readonly string[]): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO orc_hostnames (hostname, site_id, org_id) SELECT DISTINCT value, ?, ? FROM json_each(?)`,
      )
      .bind(id, this.#orgId, JSON.stringify(hostnames));
  }

  #deleteHostnames(id: string): D1PreparedStatement {
    return this.#db
      .prepare('DELETE FROM orc_hostnames WHERE org_id = ? AND site_id = ?')
      .bind(this.#orgId, id);
  }

  async #write(statements: D1PreparedStatement[]): Promise<void> {
    try {
      await queried(this.#db.batch(statements));
    } catch (thrown) {
      const cause = thrown instanceof Failure ? thrown.details.cause : thrown;
      if (!/UNIQUE constraint failed/.test(String(cause))) throw thrown;
      throw new Failure('conflict', 'the site id or a host name was taken just now; choose another');
    }
  }
}

/** A label filter as SQL's parameters; a label's name has no quote in it. */
function splitLabel(label: string): [path: string, value: string] {
  const colon = label.indexOf(':');
  return [`$."${label.slice(0, colon)}"`, label.slice(colon + 1)];
}

const labelsJson = z.record(z.string(), z.string());
const hostnamesJson = z.array(z.string());

function siteOf(row: Row): Site {
  return {
    id: row.id,
    orgId: row.org_id,
    orchestratorId: row.orchestrator_id,
    name: row.name,
    labels: labelsJson.parse(JSON.parse(row.labels)),
    hostnames: hostnamesJson.parse(JSON.parse(row.hostnames ?? '[]')),
    paused: row.paused === 1,
    ...(row.moving_to === null ? {} : { movingTo: row.moving_to }),
    createdAt: row.created_at,
  };
}
