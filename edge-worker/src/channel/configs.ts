import {
  digestOf,
  EMPTY_CONFIG,
  editedConfig,
  explain,
  Failure,
  int,
  type Json,
  json,
  mergePatch,
  type SiteConfig,
  type Sql,
  siteConfig,
  text,
  type UpdateConfigPayload,
} from '@clawdbot/protocol';

/** A site as its object knows it. */
export interface KnownSite {
  readonly siteId: string;
  readonly paused: boolean;
  readonly generation: number;
  readonly config: SiteConfig;
}

/** A generation: what it is, and the digest by which both sides name it. */
export interface NextConfig {
  readonly generation: number;
  readonly digest: string;
  readonly config: SiteConfig;
}

/** Who made a generation, when and why, and the command that brings it to the orchestrator. */
export interface Authorship {
  readonly at: number;
  readonly actor: string;
  readonly note?: string | undefined;
  readonly commandId?: string;
}

/** Desired config per site, by generation: the truth, of which every other copy is a projection. */
export class Configs {
  readonly #sql: Sql;
  readonly #hasLeft: (siteId: string) => boolean;
  /** Parsed once per generation, since every relayed request asks. Dropped on each change. */
  readonly #cache = new Map<string, KnownSite>();

  /** @param hasLeft was the site moved to another orchestrator? */
  constructor(sql: Sql, hasLeft: (siteId: string) => boolean = () => false) {
    this.#sql = sql;
    this.#hasLeft = hasLeft;
  }

  /** Throws `Failure('not_found')` for a site that is not at this orchestrator, `site_moving` if it has just left. */
  site(siteId: string): KnownSite {
    const known = this.find(siteId);
    if (known !== undefined) return known;
    if (this.#hasLeft(siteId))
      throw new Failure('site_moving', 'the site has just been moved: try again', { retryAfterMs: 1_000 });
    throw new Failure('not_found', `no site "${siteId}" here`);
  }

  find(siteId: string): KnownSite | undefined {
    const cached = this.#cache.get(siteId);
    if (cached !== undefined) return cached;
    const [row] = this.#sql.run(
      `SELECT s.paused, s.generation, c.config FROM sites s
       LEFT JOIN configs c ON c.site_id = s.site_id AND c.generation = s.generation WHERE s.site_id = ?`,
      siteId,
    );
    if (row === undefined) return undefined;
    const known: KnownSite = {
      siteId,
      paused: int(row, 'paused') === 1,
      generation: int(row, 'generation'),
      config: row['config'] === null ? EMPTY_CONFIG : siteConfig.parse(JSON.parse(text(row, 'config'))),
    };
    this.#cache.set(siteId, known);
    return known;
  }

  /** Is the site here, or was it? */
  knew(siteId: string): boolean {
    if (this.#cache.has(siteId)) return true;
    const found = this.#sql.run(
      `SELECT 1 FROM sites WHERE site_id = ?1 UNION ALL SELECT 1 FROM former_sites WHERE site_id = ?1`,
      siteId,
    );
    return found.length > 0;
  }

  put(siteId: string, paused: boolean): void {
    this.#sql.run(
      `INSERT INTO sites (site_id, paused) VALUES (?, ?) ON CONFLICT (site_id) DO UPDATE SET paused = excluded.paused`,
      siteId,
      paused ? 1 : 0,
    );
    this.#cache.delete(siteId);
  }

  /** A generation that is here already is the desired one. */
  point(siteId: string, generation: number): void {
    this.#sql.run(`UPDATE sites SET generation = ? WHERE site_id = ?`, generation, siteId);
    this.#cache.delete(siteId);
  }

  /** @returns whether the site was known */
  remove(siteId: string): boolean {
    for (const table of ['configs', 'secrets', 'worker_vars'])
      this.#sql.run(`DELETE FROM ${table} WHERE site_id = ?`, siteId);
    const gone = this.#sql.run(`DELETE FROM sites WHERE site_id = ? RETURNING site_id`, siteId);
    this.#cache.delete(siteId);
    if (gone.length > 0) this.#sql.run(`INSERT OR IGNORE INTO former_sites VALUES (?)`, siteId);
    return gone.length > 0;
  }

  /** Every site that was ever configured, with its current generation. */
  all(): { siteId: string; generation: number; digest: string }[] {
    return this.#sql
      .run(`SELECT site_id, generation, digest FROM sites JOIN configs USING (site_id, generation)`)
      .map((row) => ({
        siteId: text(row, 'site_id'),
        generation: int(row, 'generation'),
        digest: text(row, 'digest'),
      }));
  }

  /** One generation out of a site's history. */
  at(siteId: string, generation: number): NextConfig | undefined {
    const [row] = this.#sql.run(
      `SELECT digest, config FROM configs WHERE site_id = ? AND generation = ?`,
      siteId,
      generation,
    );
    if (row === undefined) return undefined;
    return {
      generation,
      digest: text(row, 'digest'),
      config: siteConfig.parse(JSON.parse(text(row, 'config'))),
    };
  }

  /**
   * The config that a request asks for, checked: what it would be, not yet stored.
   * Throws `Failure('stale_base')` when the base is not the current generation, `bad_request` when the outcome
   * is no valid config.
   */
  next(siteId: string, payload: UpdateConfigPayload): NextConfig {
    const site = this.site(siteId);
    if (payload.base !== site.generation) {
      const message = `payload.base: the config is at generation ${site.generation}, not ${payload.base}: read it again and base the edit on that`;
      throw new Failure('stale_base', message);
    }
    const wanted = payload.patch === undefined ? payload.config : this.#patched(site.config, payload.patch);
    const parsed = editedConfig.safeParse(wanted);
    if (!parsed.success) throw new Failure('bad_request', explain(parsed.error, 'payload.config'));
    return { generation: site.generation + 1, digest: digestOf(parsed.data), config: parsed.data };
  }

  /** In the caller's transaction, with the command that announces it. */
  commit(siteId: string, next: NextConfig, { at, actor, note, commandId }: Authorship): void {
    this.#sql.run(
      `INSERT INTO configs (site_id, generation, digest, config, at, actor, note, command_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      siteId,
      next.generation,
      next.digest,
      JSON.stringify(next.config),
      at,
      actor,
      note ?? null,
      commandId ?? null,
    );
    this.#sql.run(`UPDATE sites SET generation = ? WHERE site_id = ?`, next.generation, siteId);
    this.#cache.delete(siteId);
  }

  /** A generation is sent once more, by another command. In the caller's transaction. */
  broughtBy(siteId: string, generation: number, commandId: string): void {
    this.#sql.run(
      `UPDATE configs SET command_id = ? WHERE site_id = ? AND generation = ?`,
      commandId,
      siteId,
      generation,
    );
  }

  #patched(config: SiteConfig, patch: Json): Json {
    return mergePatch(json.parse(config), patch);
  }
}
