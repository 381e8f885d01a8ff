import { BLOB_PART_BYTES, Failure } from '@clawdbot/protocol';
import type { Cipher } from '../cipher.ts';

/** A stored request, sealed part by part on its way to a row each. */
export type SealedParts = readonly Uint8Array[];

/**
 * What customers sent, encrypted, in rows of 1 MiB and some bytes (a row holds 2 MB). A parcel is its receipt's own,
 * and its parts are bound to it and to their place.
 */
export class Parcels {
  readonly #sql: SqlStorage;
  readonly #cipher: Cipher;

  constructor(sql: SqlStorage, cipher: Cipher) {
    this.#sql = sql;
    this.#cipher = cipher;
  }

  /**
   * One part after the other: a parcel of 10 MB must not be in memory many times over. Throws
   * `Failure('storage_failed')` without a key: nothing is stored that could be read.
   */
  async seal(receiptId: string, parcel: Uint8Array): Promise<SealedParts> {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < parcel.length; at += BLOB_PART_BYTES) {
      const part = parcel.subarray(at, at + BLOB_PART_BYTES);
      parts.push(await this.#cipher.seal(part, contextOf(receiptId, parts.length)).catch(cannotSeal));
    }
    return parts;
  }

  /** In the caller's transaction, with the receipt. */
  put(receiptId: string, parts: SealedParts): void {
    for (const [part, sealed] of parts.entries()) {
      this.#sql.exec(`INSERT INTO parcels VALUES (?, ?, ?)`, receiptId, part, sealed);
    }
  }

  /** One part as it was. Throws `Failure('blob_missing')`, also when it was sealed with another key. */
  async part(receiptId: string, part: number): Promise<Uint8Array> {
    const [row] = this.#sql
      .exec<{ sealed: ArrayBuffer }>(
        `SELECT sealed FROM parcels WHERE receipt_id = ? AND part = ?`,
        receiptId,
        part,
      )
      .toArray();
    if (row === undefined) throw new Failure('blob_missing', `the edge has no part ${part} of ${receiptId}`);
    return this.#cipher.open(new Uint8Array(row.sealed), contextOf(receiptId, part)).catch(cannotOpen);
  }

  /** All of it, whose size its receipt tells. */
  async whole(receiptId: string, bytes: number): Promise<Uint8Array> {
    if (bytes <= BLOB_PART_BYTES) return this.part(receiptId, 0);
    const whole = new Uint8Array(bytes);
    for (let part = 0; part * BLOB_PART_BYTES < bytes; part++) {
      whole.set(await this.part(receiptId, part), part * BLOB_PART_BYTES);
    }
    return whole;
  }

  /** In the caller's transaction. */
  drop(receiptId: string): void {
    this.#sql.exec(`DELETE FROM parcels WHERE receipt_id = ?`, receiptId);
  }
}

function cannotSeal(cause: unknown): never {
  console.error('requests cannot be stored: see SECRETS_KEY', cause);
  throw new Failure('storage_failed', 'the edge cannot encrypt: see SECRETS_KEY', {
    retryAfterMs: 60_000,
    execution: 'not_started',
    cause,
  });
}

function cannotOpen(cause: unknown): never {
  console.error('a stored request cannot be read: see SECRETS_KEY', cause);
  throw new Failure('blob_missing', 'the edge cannot decrypt it: it was stored under another SECRETS_KEY', {
    cause,
  });
}

const contextOf = (receiptId: string, part: number): string => `${receiptId}/${part}`;
