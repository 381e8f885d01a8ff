import { decodeParcel, Failure, type Receipt, type ReceiptDetail, type Sql } from '@clawdbot/protocol';
import { beginsWith, contains } from './parcel-text.ts';
import type { Parcels } from './parcels.ts';
import { type ReceiptRow, receiptOf } from './receipt-row.ts';
import type { ReceiptPage, ReceiptQuery } from './rpc.ts';

export interface ReceiptSearchParts {
  readonly sql: Sql;
  readonly parcels: Pick<Parcels, 'whole'>;
}

/** What one page looks into: some 0.2 s of decrypting, and far from an object's 128 MB. */
const LOOKED_ROWS = 500;
const LOOKED_BYTES = 16 * 1024 * 1024;

/**
 * Finds receipts, newest first. What customers sent is encrypted and has no index, since an index of what people
 * typed would be their data once more; so a search for it opens one after the other, a bounded number for a page.
 */
export class ReceiptSearch {
  readonly #parts: ReceiptSearchParts;

  constructor(parts: ReceiptSearchParts) {
    this.#parts = parts;
  }

  list(query: ReceiptQuery): Promise<ReceiptPage> | ReceiptPage {
    return query.path === undefined && query.q === undefined ? this.#plain(query) : this.#looking(query);
  }

  /** With what the customer asked for, without the headers and the body that were sent along. */
  async detail({ receipt, parcel, kept }: ReceiptRow): Promise<ReceiptDetail> {
    const whole = kept ? await this.#whole(receipt.id, parcel.bytes) : undefined;
    if (whole === undefined) return receipt;
    const { head, body } = decodeParcel(whole);
    const { method, url } = head;
    return { ...receipt, request: { method, url, bodyBytes: body?.length ?? 0 } };
  }

  #plain(query: ReceiptQuery): ReceiptPage {
    const rows = this.#rows(query, query.limit + 1);
    const items = rows.slice(0, query.limit).map(({ receipt }) => receipt);
    return { items, next: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null };
  }

  async #looking(query: ReceiptQuery): Promise<ReceiptPage> {
    const items: Receipt[] = [];
    let bytes = 0;
    const rows = this.#rows(query, LOOKED_ROWS);
    for (const { receipt, parcel, kept } of rows) {
      bytes += parcel.bytes;
      if (kept && (await this.#matches(receipt.id, parcel.bytes, query))) items.push(receipt);
      if (items.length === query.limit || bytes > LOOKED_BYTES) return { items, next: receipt.id };
    }
    return { items, next: rows.length === LOOKED_ROWS ? (rows.at(-1)?.receipt.id ?? null) : null };
  }

  async #matches(id: string, bytes: number, { path, q }: ReceiptQuery): Promise<boolean> {
    const parcel = await this.#whole(id, bytes);
    if (parcel === undefined) return false;
    return (path === undefined || beginsWith(parcel, path)) && (q === undefined || contains(parcel, q));
  }

  /** Undefined when it was erased since, or sealed with another key. */
  async #whole(id: string, bytes: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#parts.parcels.whole(id, bytes);
    } catch (error) {
      if (error instanceof Failure && error.code === 'blob_missing') return undefined;
      throw error;
    }
  }

  #rows({ after, site, state, from, to }: ReceiptQuery, limit: number): ReceiptRow[] {
    return this.#parts.sql
      .run(
        `SELECT * FROM receipts
         WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR site_id = ?2) AND (?3 IS NULL OR state = ?3)
           AND (?4 IS NULL OR received_at >= ?4) AND (?5 IS NULL OR received_at < ?5)
         ORDER BY id DESC LIMIT ?6`,
        ...[after ?? null, site ?? null, state ?? null, from ?? null, to ?? null, limit],
      )
      .map(receiptOf);
  }
}
