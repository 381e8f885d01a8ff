import {
  Failure,
  int,
  PARCEL_KEPT_MS,
  PARCELS_BYTES_MAX,
  RECEIPT_KEPT_MS,
  RECEIPT_KEY_MS,
  RECEIPTS_MAX,
  type ReceiptReport,
  type ReceiptState,
  type Sql,
  text,
} from '@clawdbot/protocol';
import type { Parcels, SealedParts } from './parcels.ts';
import { HELD, isOpen, type ReceiptRow, receiptOf } from './receipt-row.ts';
import type { Meta } from './store.ts';

export interface NewReceipt {
  readonly id: string;
  readonly siteId: string;
  readonly route: string;
  /** Of its entry in the queue log; `HELD` (0) when it has none yet, since its site is being moved. */
  readonly seq: number;
  readonly expiresAt: number;
  readonly parcel: { readonly sha256: string; readonly bytes: number };
  /** What makes a repeat the same request. */
  readonly key: string | undefined;
}

export interface ReceiptsParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly parcels: Pick<Parcels, 'put' | 'drop'>;
  readonly now: () => number;
  /** How long a site has what its customers sent kept behind its end. */
  readonly keepMs: (siteId: string) => number;
  /** Bounds of the store; those of the product unless a test says otherwise. */
  readonly rowsMax?: number;
  readonly bytesMax?: number;
}

/** What an end is made of, besides its state. */
interface End {
  readonly attempts?: number;
  readonly status?: number | undefined;
  readonly error?: string | undefined;
}

const OPEN = `state IN ('stored', 'on_vps')`;
/** States noted of one receipt: one that is delivered again and again fills no row. */
const NOTE = `CASE WHEN json_array_length(history) < 200
  THEN json_insert(history, '$[#]', json_object('state', ?1, 'at', ?2, 'reason', ?3)) ELSE history END`;
/** Receipts looked at in one turn of the sweep, and given up at once for a new one. */
const SWEEP_ROWS = 200;

/**
 * Every stored request of this orchestrator: `stored → on_vps → delivered | dead | expired`, or `erased`. This object
 * settles them. `due` is when something is to be done with one: an open one expires, of one that has ended the parcel
 * goes, and later the receipt.
 */
export class Receipts {
  readonly #parts: Required<ReceiptsParts>;
  /** When the alarm is known to ring for these; undefined in an instance that has not looked yet. */
  #alarmAt: number | undefined;

  constructor(parts: ReceiptsParts) {
    this.#parts = { rowsMax: RECEIPTS_MAX, bytesMax: PARCELS_BYTES_MAX, ...parts };
  }

  /** How many were given up, and wait for an operator. */
  get dead(): number {
    const [row] = this.#parts.sql.run(`SELECT COUNT(*) AS n FROM receipts WHERE state = 'dead'`);
    return int(row, 'n');
  }

  /**
   * In the caller's transaction, with its log entry. Throws `Failure('log_full')` when there is no room, even without
   * what has ended.
   */
  insert({ id, siteId, route, seq, expiresAt, parcel, key }: NewReceipt, sealed: SealedParts): void {
    const { sql, meta, parcels, now } = this.#parts;
    this.makeRoom(parcel.bytes);
    const at = now();
    sql.run(
      `INSERT INTO receipts (id, site_id, route, state, seq, received_at, expires_at, due, sha256, bytes, key, history)
       VALUES (?, ?, ?, 'stored', ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[id, siteId, route, seq, at, expiresAt, expiresAt, parcel.sha256, parcel.bytes, key ?? null],
      JSON.stringify([{ state: 'stored', at }]),
    );
    parcels.put(id, sealed);
    meta.add('receipts', 1);
    meta.add('parcels_bytes', parcel.bytes);
  }

  /** The receipt that this request got before, in the last 24 h. */
  byKey(key: string | undefined): string | undefined {
    if (key === undefined) return undefined;
    const { sql, now } = this.#parts;
    const since = now() - RECEIPT_KEY_MS;
    const [row] = sql.run(`SELECT id FROM receipts WHERE key = ? AND received_at > ?`, key, since);
    return row === undefined ? undefined : text(row, 'id');
  }

  /** Throws `Failure('not_found')`. */
  get(id: string): ReceiptRow {
    const row = this.find(id);
    if (row === undefined) throw new Failure('not_found', `no receipt "${id}"`);
    return row;
  }

  find(id: string): ReceiptRow | undefined {
    const [row] = this.#parts.sql.run(`SELECT * FROM receipts WHERE id = ?`, id);
    return row === undefined ? undefined : receiptOf(row);
  }

  state(id: string): ReceiptState {
    return this.get(id).receipt.state;
  }

  /** The VPS has every entry of the queue log up to `applied`. */
  acknowledged(applied: number): void {
    const { sql, now } = this.#parts;
    sql.run(
      `UPDATE receipts SET state = ?1, history = ${NOTE} WHERE state = 'stored' AND seq BETWEEN 1 AND ?4`,
      ...['on_vps', now(), null, applied],
    );
  }

  /** What the VPS tells of an attempt, in the caller's transaction. What has ended stays so, unless it was delivered after all. */
  report({ receiptId, state, attempts, status, error }: ReceiptReport): void {
    const known = this.find(receiptId)?.receipt.state;
    if (known === undefined || known === 'erased' || known === 'delivered') return;
    // Of a delivery before this one: the VPS acknowledges an entry before it tells what became of it.
    if (known === 'stored' && state !== 'delivered') return;
    if (state === 'retrying') this.#failed(receiptId, attempts, status, error);
    else if (state === 'delivered' || isOpen(known)) this.end(receiptId, state, { attempts, status, error });
  }

  /** In the caller's transaction. */
  end(id: string, state: 'delivered' | 'dead' | 'expired', { attempts, status, error }: End): void {
    const { sql, now, keepMs } = this.#parts;
    const at = now();
    const due = at + keepMs(this.get(id).receipt.siteId);
    sql.run(
      `UPDATE receipts SET state = ?1, history = ${NOTE}, ended_at = ?2, due = ?4, attempts = COALESCE(?5, attempts),
         status = COALESCE(?6, status), last_error = COALESCE(?3, last_error) WHERE id = ?7`,
      ...[state, at, error ?? null, due, attempts ?? null, status ?? null, id],
    );
  }

  /** Delivers it once more, under a new entry: in the caller's transaction. */
  again(id: string, { seq, expiresAt, reason }: { seq: number; expiresAt: number; reason: string }): void {
    const { sql, now } = this.#parts;
    sql.run(
      `UPDATE receipts SET state = ?1, history = ${NOTE}, seq = ?4, expires_at = ?5, due = ?5, attempts = 0,
         ended_at = NULL, status = NULL, last_error = NULL WHERE id = ?6`,
      ...['stored', now(), reason, seq, expiresAt, id],
    );
  }

  /** The VPS has lost entries that the log does not hold any more. @returns those that are open, oldest first */
  openBefore(seq: number): ReceiptRow[] {
    return this.#parts.sql
      .run(`SELECT * FROM receipts WHERE ${OPEN} AND seq BETWEEN 1 AND ? ORDER BY seq`, seq - 1)
      .map(receiptOf);
  }

  /** Those of a site that have no entry yet, oldest first. */
  held(siteId: string, limit: number): ReceiptRow[] {
    return this.#parts.sql
      .run(
        `SELECT * FROM receipts WHERE state = 'stored' AND seq = ? AND site_id = ? ORDER BY received_at, id LIMIT ?`,
        ...[HELD, siteId, limit],
      )
      .map(receiptOf);
  }

  moveTo(id: string, seq: number): void {
    this.#parts.sql.run(`UPDATE receipts SET seq = ? WHERE id = ?`, seq, id);
  }

  /** Nothing of what the customer sent is left; a tombstone stays. In the caller's transaction. */
  erase(id: string, actor: string): void {
    const { sql, now } = this.#parts;
    this.#drop(id);
    const at = now();
    sql.run(
      `UPDATE receipts SET state = ?1, history = ${NOTE}, due = ?4, ended_at = COALESCE(ended_at, ?2), key = NULL,
         sha256 = '', last_error = NULL WHERE id = ?5 AND state <> 'erased'`,
      ...['erased', at, `erased by ${actor}`, at + RECEIPT_KEPT_MS, id],
    );
  }

  /** Of a site: those that are open, and those of which what was sent is kept. */
  countsOf(siteId: string): { open: number; kept: number } {
    const [row] = this.#parts.sql.run(
      `SELECT COALESCE(SUM(${OPEN}), 0) AS open, COALESCE(SUM(kept), 0) AS kept FROM receipts WHERE site_id = ?`,
      siteId,
    );
    return { open: int(row, 'open'), kept: int(row, 'kept') };
  }

  /** The site is gone, and with it its upstreams. @returns how many were given up */
  removeSite(siteId: string): number {
    const { sql, now } = this.#parts;
    const at = now();
    const given = sql.run(
      `UPDATE receipts SET state = ?1, history = ${NOTE}, ended_at = ?2, due = ?4, last_error = ?3
       WHERE site_id = ?5 AND ${OPEN} RETURNING id`,
      ...['dead', at, 'the site was deleted', at + PARCEL_KEPT_MS, siteId],
    );
    return given.length;
  }

  /** Does what is due, in bounded steps. */
  sweep(): void {
    const { sql, now } = this.#parts;
    this.#alarmAt = undefined;
    sql.transaction(() => {
      const due = sql.run(`SELECT * FROM receipts WHERE due <= ? ORDER BY due LIMIT ?`, now(), SWEEP_ROWS);
      for (const row of due) this.#sweep(receiptOf(row));
    });
  }

  /** When `sweep` has something to do; not told again before it was done, or something comes before it. */
  nextDue(): number | undefined {
    const [row] = this.#parts.sql.run(`SELECT MIN(due) AS due FROM receipts`);
    const due = row?.['due'];
    if (typeof due !== 'number' || due >= (this.#alarmAt ?? Number.POSITIVE_INFINITY)) return undefined;
    // At most once a minute, however many are due one after the other.
    this.#alarmAt = Math.max(due, this.#parts.now() + SWEEP_EVERY_MS);
    return this.#alarmAt;
  }

  #failed(id: string, attempts: number, status: number | undefined, error: string | undefined): void {
    this.#parts.sql.run(
      `UPDATE receipts SET attempts = ?, status = ?, last_error = ? WHERE id = ? AND ${OPEN}`,
      ...[attempts, status ?? null, error ?? null, id],
    );
  }

  #sweep({ receipt: { id, state }, kept }: ReceiptRow): void {
    const { sql, now } = this.#parts;
    if (isOpen(state)) this.end(id, 'expired', { error: 'it could not be delivered in time' });
    else if (kept) {
      this.#drop(id);
      sql.run(`UPDATE receipts SET due = ? WHERE id = ?`, now() + RECEIPT_KEPT_MS, id);
    } else this.forget(id);
  }

  #drop(id: string): void {
    const { sql, meta, parcels } = this.#parts;
    const [row] = sql.run(`UPDATE receipts SET kept = 0 WHERE id = ? AND kept = 1 RETURNING bytes`, id);
    if (row === undefined) return;
    parcels.drop(id);
    meta.add('parcels_bytes', -Number(row['bytes']));
  }

  /** In the caller's transaction. */
  forget(id: string): void {
    const { sql, meta } = this.#parts;
    this.#drop(id);
    sql.run(`DELETE FROM receipts WHERE id = ?`, id);
    meta.add('receipts', -1);
  }

  /**
   * What has ended goes before its time if that makes room: only what is not delivered makes the store full. In the
   * caller's transaction. Throws `Failure('log_full')`.
   */
  makeRoom(bytes: number): void {
    const { sql } = this.#parts;
    while (this.#isFull(bytes)) {
      const ended = sql.run(
        `SELECT id FROM receipts WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT ?`,
        SWEEP_ROWS,
      );
      if (ended.length === 0) throw full();
      for (const row of ended) if (this.#isFull(bytes)) this.forget(text(row, 'id'));
    }
  }

  #isFull(bytes: number): boolean {
    const { meta, rowsMax, bytesMax } = this.#parts;
    return meta.number('receipts') >= rowsMax || meta.number('parcels_bytes') + bytes > bytesMax;
  }
}

const SWEEP_EVERY_MS = 60_000;

const full = () =>
  new Failure('log_full', 'the store of requests is full of such that could not be delivered', {
    retryAfterMs: 60_000,
    execution: 'not_started',
  });
