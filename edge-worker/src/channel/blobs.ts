import { BLOB_PART_BYTES, Failure } from '@clawdbot/protocol';
import type { BlobPart } from './move/rpc.ts';

/**
 * Content too large for an entry, stored once under its SHA-256 in rows of at most 1 MiB (a row holds 2 MB).
 * A blob lives as long as an unfinished command uses it.
 */
export class Blobs {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * In the caller's transaction, with the command that uses it. What is here already may be a part of it: the rest is still
   * to come with a site that is moved here, and never comes when that is cancelled.
   */
  put(commandId: string, sha256: string, bytes: Uint8Array): void {
    for (let part = 0, at = 0; at === 0 || at < bytes.length; part++, at += BLOB_PART_BYTES)
      this.putPart(commandId, { sha256, part, bytes: bytes.slice(at, at + BLOB_PART_BYTES).buffer });
  }

  /** All that a command uses, in parts. */
  partsOf(commandId: string): Iterable<BlobPart> {
    return this.#sql
      .exec<BlobPart & Record<string, SqlStorageValue>>(
        `SELECT sha256, part, bytes FROM blobs WHERE sha256 IN (SELECT sha256 FROM blob_uses WHERE command_id = ?)
       ORDER BY sha256, part`,
        commandId,
      )
      .toArray();
  }

  /** One of them, at another object. In the caller's transaction. */
  putPart(commandId: string, { sha256, part, bytes }: BlobPart): void {
    this.#sql.exec(`INSERT OR IGNORE INTO blob_uses VALUES (?, ?)`, sha256, commandId);
    this.#sql.exec(`INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)`, sha256, part, bytes);
  }

  /** One part. Throws `Failure('blob_missing')`. */
  part(sha256: string, part: number): Uint8Array {
    const [row] = this.#sql
      .exec<{ bytes: ArrayBuffer }>(`SELECT bytes FROM blobs WHERE sha256 = ? AND part = ?`, sha256, part)
      .toArray();
    if (row === undefined) throw new Failure('blob_missing', `the edge has no part ${part} of ${sha256}`);
    return new Uint8Array(row.bytes);
  }

  /** The command has ended: what only it used goes. In the caller's transaction. */
  release(commandId: string): void {
    const used = this.#sql
      .exec<{ sha256: string }>(`DELETE FROM blob_uses WHERE command_id = ? RETURNING sha256`, commandId)
      .toArray();
    for (const { sha256 } of used) {
      this.#sql.exec(
        `DELETE FROM blobs WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE sha256 = ?1)`,
        sha256,
      );
    }
  }
}
