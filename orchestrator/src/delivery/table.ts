import { int, type Sql, type SqlRow, text, type Webhook } from '@clawdbot/protocol';

/** Requests of one route wait for each other, and for no others. */
export interface LineKey {
  readonly siteId: string;
  readonly route: string;
}

/** A stored request that is not through. */
export interface Delivery extends LineKey {
  /** Its place in the order. */
  readonly n: number;
  readonly receiptId: string;
  readonly sha256: string;
  readonly bytes: number;
  /** By the edge's clock. */
  readonly expiresAt: number;
  /** That have failed. */
  readonly attempts: number;
  /** Of those, the ones that the upstream has answered with a status that a repeat hardly changes. */
  readonly refusals: number;
  readonly nextAt: number;
  /** Its customer may still wait: nothing has been said of it yet. */
  readonly awaited: boolean;
}

/** The `deliveries` table. What it writes belongs to the caller's transaction. */
export class DeliveryTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** One that is there already is begun anew, behind all others: the edge asks for it once more. */
  insert({ receiptId, siteId, route, parcel, expiresAt, awaited }: Webhook): void {
    this.remove(receiptId);
    this.#sql.run(
      `INSERT INTO deliveries (receipt_id, site_id, route, sha256, bytes, expires_at, awaited)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      receiptId,
      siteId,
      route,
      parcel.sha256,
      parcel.bytes,
      expiresAt,
      awaited ? 1 : 0,
    );
  }

  lines(): LineKey[] {
    return this.#sql
      .run(`SELECT DISTINCT site_id, route FROM deliveries`)
      .map((row) => ({ siteId: text(row, 'site_id'), route: text(row, 'route') }));
  }

  /** Of those that were never tried, the first. */
  untried({ siteId, route }: LineKey, limit: number): Delivery[] {
    return this.#sql
      .run(
        `SELECT * FROM deliveries WHERE site_id = ? AND route = ? AND attempts = 0 ORDER BY n LIMIT ?`,
        siteId,
        route,
        limit,
      )
      .map(deliveryOf);
  }

  /** The first of those that have failed, and were not only refused. */
  failed({ siteId, route }: LineKey): Delivery | undefined {
    return this.#sql
      .run(
        `SELECT * FROM deliveries WHERE site_id = ? AND route = ? AND attempts > 0 AND attempts > refusals
         ORDER BY n LIMIT 1`,
        siteId,
        route,
      )
      .map(deliveryOf)[0];
  }

  /** Those that were refused and nothing else, the next one first. */
  refused({ siteId, route }: LineKey, limit: number): Delivery[] {
    return this.#sql
      .run(
        `SELECT * FROM deliveries WHERE site_id = ? AND route = ? AND attempts > 0 AND attempts = refusals
         ORDER BY next_at LIMIT ?`,
        siteId,
        route,
        limit,
      )
      .map(deliveryOf);
  }

  /** Of all routes. */
  get count(): number {
    return int(this.#sql.run(`SELECT COUNT(*) AS n FROM deliveries`)[0], 'n');
  }

  /** @returns false when it is not there any more: its site is gone, or it was begun anew */
  retry(
    n: number,
    { attempts, refusals, nextAt }: Pick<Delivery, 'attempts' | 'refusals' | 'nextAt'>,
  ): boolean {
    const changed = this.#sql.run(
      `UPDATE deliveries SET attempts = ?, refusals = ?, next_at = ? WHERE n = ? RETURNING n`,
      attempts,
      refusals,
      nextAt,
      n,
    );
    return changed.length > 0;
  }

  /** It is through, whatever its end. @returns as `retry` */
  end(n: number): boolean {
    return this.#sql.run(`DELETE FROM deliveries WHERE n = ? RETURNING n`, n).length > 0;
  }

  remove(receiptId: string): void {
    this.#sql.run(`DELETE FROM deliveries WHERE receipt_id = ?`, receiptId);
  }

  removeSite(siteId: string): void {
    this.#sql.run(`DELETE FROM deliveries WHERE site_id = ?`, siteId);
  }
}

const deliveryOf = (row: SqlRow): Delivery => ({
  n: int(row, 'n'),
  receiptId: text(row, 'receipt_id'),
  siteId: text(row, 'site_id'),
  route: text(row, 'route'),
  sha256: text(row, 'sha256'),
  bytes: int(row, 'bytes'),
  expiresAt: int(row, 'expires_at'),
  attempts: int(row, 'attempts'),
  refusals: int(row, 'refusals'),
  nextAt: int(row, 'next_at'),
  // Of a failed attempt it was told.
  awaited: int(row, 'awaited') === 1 && int(row, 'attempts') === 0,
});
