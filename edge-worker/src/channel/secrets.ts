import { Failure, SECRETS_PER_SITE_MAX, type SecretSummary, type Sql } from '@clawdbot/protocol';
import type { Cipher } from '../cipher.ts';
import type { Configs } from './configs.ts';
import type { Meta } from './store.ts';

/** A secret as its orchestrator, or a signature's check, is given it. */
export interface Secret {
  readonly value: string;
  readonly version: number;
}

export interface SecretsParts {
  readonly sql: Sql;
  /** The same database: the port has no blobs. */
  readonly storage: SqlStorage;
  readonly meta: Meta;
  readonly cipher: Cipher;
  readonly configs: Pick<Configs, 'site'>;
  readonly orgId: () => string | undefined;
  readonly now: () => number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sites' secrets, write-only from outside: sealed here, opened for their orchestrator and for signatures alone. */
export class Secrets {
  readonly #parts: SecretsParts;

  constructor(parts: SecretsParts) {
    this.#parts = parts;
  }

  /** @returns whether it is a new one. Throws `Failure`: `not_found` (no such site), `conflict` (too many). */
  async put(siteId: string, name: string, value: string, actor: string): Promise<boolean> {
    const { sql, meta, cipher, configs } = this.#parts;
    configs.site(siteId);
    // Drawn before it is sealed, and used once: of two who write at the same time, the later one stays.
    const version = meta.add('secret_version', 1);
    const sealed = await usable(cipher.seal(encoder.encode(value), this.#context(siteId, name, version)));
    return sql.transaction(() => {
      configs.site(siteId); // It may have been removed meanwhile.
      const known = this.#row(siteId, name) !== undefined;
      if (!known) this.#refuseTooMany(siteId);
      this.#write(siteId, name, { version, sealed, actor });
      return !known;
    });
  }

  /** By name. Throws `Failure('not_found')` for a site that is not here. */
  list(siteId: string): SecretSummary[] {
    this.#parts.configs.site(siteId);
    return this.#parts.storage
      .exec<SecretSummary & Record<string, SqlStorageValue>>(
        `SELECT name, version, updated_at AS updatedAt, updated_by AS updatedBy FROM secrets WHERE site_id = ?
         ORDER BY name`,
        siteId,
      )
      .toArray();
  }

  /** Throws `Failure('not_found')` when there is no such secret. */
  delete(siteId: string, name: string): void {
    const { configs, sql } = this.#parts;
    configs.site(siteId);
    const gone = sql.run(`DELETE FROM secrets WHERE site_id = ? AND name = ? RETURNING name`, siteId, name);
    if (gone.length === 0) throw new Failure('not_found', `the site "${siteId}" has no secret "${name}"`);
  }

  /**
   * Throws `Failure`: `not_found` for a site that is not here, `secret_missing` with what its operator has to do.
   */
  async get(siteId: string, name: string): Promise<Secret> {
    this.#parts.configs.site(siteId);
    const row = this.#row(siteId, name);
    if (row === undefined) throw missing(siteId, name, 'is not set');
    return this.#open(siteId, name, row);
  }

  async #open(siteId: string, name: string, { version, sealed }: Row): Promise<Secret> {
    const context = this.#context(siteId, name, version);
    try {
      const value = await usable(this.#parts.cipher.open(new Uint8Array(sealed), context));
      return { value: decoder.decode(value), version };
    } catch (cause) {
      if (cause instanceof Failure) throw cause;
      throw missing(siteId, name, 'was encrypted with another SECRETS_KEY', cause);
    }
  }

  /** Neither a site's id nor a name has a slash. */
  #context(siteId: string, name: string, version: number): string {
    return `secret ${this.#parts.orgId() ?? ''}/${siteId}/${name}/${version}`;
  }

  #row(siteId: string, name: string): Row | undefined {
    return this.#parts.storage
      .exec<Row>(`SELECT version, sealed FROM secrets WHERE site_id = ? AND name = ?`, siteId, name)
      .toArray()[0];
  }

  #refuseTooMany(siteId: string): void {
    const { length } = this.list(siteId);
    if (length < SECRETS_PER_SITE_MAX) return;
    throw new Failure(
      'conflict',
      `the site has ${length} secrets, and no more are kept: delete one that is not used`,
    );
  }

  #write(siteId: string, name: string, { version, sealed, actor }: NewRow): void {
    this.#parts.storage.exec(
      `INSERT INTO secrets (site_id, name, version, sealed, updated_at, updated_by) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (site_id, name) DO UPDATE SET version = excluded.version, sealed = excluded.sealed,
         updated_at = excluded.updated_at, updated_by = excluded.updated_by
       WHERE excluded.version > secrets.version`,
      siteId,
      name,
      version,
      sealed,
      this.#parts.now(),
      actor,
    );
  }
}

interface Row extends Record<string, SqlStorageValue> {
  readonly version: number;
  readonly sealed: ArrayBuffer;
}
interface NewRow {
  readonly version: number;
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly actor: string;
}

const missing = (siteId: string, name: string, why: string, cause?: unknown) =>
  new Failure('secret_missing', `the secret "${name}" ${why}: clawctl secrets set ${siteId} ${name}`, {
    execution: 'not_started',
    cause,
  });

/** The cipher says with a `TypeError` that the edge has no usable key: nothing can be done but to set it. */
async function usable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new Failure('secret_missing', `the edge can neither seal nor open secrets: ${cause.message}`, {
      cause,
    });
  }
}
