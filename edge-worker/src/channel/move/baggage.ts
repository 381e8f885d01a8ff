import { int, type ReceiptReport, receiptState, type Sql, type SqlRow, text } from '@clawdbot/protocol';
import { HELD, isOpen } from '../receipt-row.ts';
import type { Receipts } from '../receipts.ts';
import type { Meta } from '../store.ts';
import type { Cargo } from './cargo.ts';
import type { PackedReceipt } from './rpc.ts';

/** In one RPC message, which takes 32 MiB: many small receipts, or one of the largest parcels. */
const PAGE_RECEIPTS = 200;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Rows looked at in one turn, of whichever site: some milliseconds. */
const LOOKED_ROWS = 2_000;
export interface BaggageParts {
  readonly sql: Sql;
  /** The same database: the port has no blobs. */
  readonly storage: SqlStorage;
  readonly cargo: Pick<Cargo, 'insert'>;
  readonly meta: Meta;
  readonly receipts: Pick<Receipts, 'end' | 'find' | 'forget' | 'makeRoom'>;
  readonly now: () => number;
}

/** Ids of receipts, and where to look on; null at the end. */
interface Look {
  readonly ids: readonly string[];
  readonly next: string | null;
}

/** What customers sent to a site, and its receipts: they go along with it, row by row as they are. */
export class Baggage {
  readonly #parts: BaggageParts;

  constructor(parts: BaggageParts) {
    this.#parts = parts;
  }

  /** The site's receipts that are not aboard of this move, by id behind `after`: one step. */
  look(siteId: string, moveId: string, after: string, only: 'ended' | 'all'): Look {
    const rows = this.#parts.sql.run(
      `SELECT seen.id, seen.site_id, seen.ended_at, m.aboard FROM (
         SELECT id, site_id, ended_at FROM receipts WHERE id > ?1 ORDER BY id LIMIT ?2) AS seen
       LEFT JOIN moved_receipts m ON m.receipt_id = seen.id AND m.move_id = ?3`,
      after,
      LOOKED_ROWS,
      moveId,
    );
    const ids = rows
      .filter((row) => row['site_id'] === siteId && row['aboard'] !== 1)
      .filter((row) => only === 'all' || row['ended_at'] !== null)
      .map((row) => text(row, 'id'));
    return { ids, next: rows.length < LOOKED_ROWS ? null : text(rows.at(-1), 'id') };
  }

  /** Those that were stored and not sent, oldest first, and are not aboard of this move. */
  held(siteId: string, moveId: string): string[] {
    return this.#parts.sql
      .run(
        `SELECT id FROM receipts WHERE state = 'stored' AND seq = ?1 AND site_id = ?2
           AND id NOT IN (SELECT receipt_id FROM moved_receipts WHERE move_id = ?3 AND aboard = 1)
         ORDER BY received_at, id LIMIT ?4`,
        ...[HELD, siteId, moveId, PAGE_RECEIPTS],
      )
      .map((row) => text(row, 'id'));
  }

  /**
   * As many of them as fit one message. They count as maybe aboard from here on: what the orchestrator tells of them is
   * noted.
   */
  pack(ids: readonly string[], moveId: string): PackedReceipt[] {
    const { sql, storage } = this.#parts;
    const packed: PackedReceipt[] = [];
    let bytes = 0;
    for (const id of ids.slice(0, PAGE_RECEIPTS)) {
      const [receipt] = sql.run(`SELECT * FROM receipts WHERE id = ?`, id);
      if (receipt === undefined) continue; // Its time was over meanwhile.
      bytes += int(receipt, 'bytes');
      if (packed.length > 0 && bytes > PAGE_BYTES) break;
      const parts = storage
        .exec<Record<string, SqlStorageValue>>(`SELECT * FROM parcels WHERE receipt_id = ?`, id)
        .toArray();
      packed.push({ receipt, parts });
      sql.run(`INSERT OR REPLACE INTO moved_receipts VALUES (?, ?, 0, NULL)`, id, moveId);
    }
    return packed;
  }

  /** The other object has them. In the caller's transaction. */
  aboard(packed: readonly PackedReceipt[]): void {
    const ids = packed.map(({ receipt }) => text(receipt, 'id'));
    this.#parts.sql.run(
      `UPDATE moved_receipts SET aboard = 1 WHERE receipt_id IN (SELECT value FROM json_each(?))`,
      JSON.stringify(ids),
    );
  }

  /**
   * Takes one in. One that is open waits for its entry, and begins anew. One that is here already is as it is, unless it
   * was delivered meanwhile where it came from. In the caller's transaction. Throws `Failure('log_full')`.
   */
  unpack({ receipt, parts }: PackedReceipt, source: string): void {
    const { sql, meta, receipts, now } = this.#parts;
    const id = text(receipt, 'id');
    const state = receiptState.parse(receipt['state']);
    const known = receipts.find(id)?.receipt.state;
    if (known !== undefined) {
      if (state === 'delivered' && isOpen(known)) receipts.end(id, 'delivered', deliveredBy(receipt));
      return;
    }
    const bytes = int(receipt, 'kept') === 1 ? int(receipt, 'bytes') : 0;
    receipts.makeRoom(bytes);
    const at = now();
    const note = JSON.stringify({ state: 'stored', at, reason: `the site was moved here from ${source}` });
    const begun = isOpen(state)
      ? {
          ...receipt,
          state: 'stored',
          seq: HELD,
          attempts: 0,
          history: noted(text(receipt, 'history'), note),
        }
      : receipt;
    this.#parts.cargo.insert('receipts', begun);
    for (const part of parts) this.#parts.cargo.insert('parcels', part);
    sql.run(`DELETE FROM moved_receipts WHERE receipt_id = ?`, id);
    meta.add('receipts', 1);
    meta.add('parcels_bytes', bytes);
  }

  /** Undoes a move: open receipts wait for a new entry, since the orchestrator has let go of them. One step. */
  hold(siteId: string, after: string, reason: string): string | null {
    const { sql, now } = this.#parts;
    const { ids, next } = this.look(siteId, '', after, 'all');
    const note = JSON.stringify({ state: 'stored', at: now(), reason });
    sql.run(
      `UPDATE receipts SET state = 'stored', seq = ?1, history = json_insert(history, '$[#]', json(?2))
       WHERE state IN ('stored', 'on_vps') AND seq <> ?1 AND id IN (SELECT value FROM json_each(?3))`,
      ...[HELD, note, JSON.stringify(ids)],
    );
    return next;
  }

  /** Forgets the site's receipts, which are elsewhere: one step. @returns where to go on */
  drop(siteId: string, after: string): string | null {
    const { ids, next } = this.look(siteId, '', after, 'all');
    this.#parts.sql.transaction(() => {
      for (const id of ids) this.#parts.receipts.forget(id);
    });
    return next;
  }

  /** The orchestrator of before has delivered what may be aboard. @returns whether that is to be told on */
  reported(report: ReceiptReport): boolean {
    const marked = this.#parts.sql.run(
      `UPDATE moved_receipts SET report = ? WHERE receipt_id = ? RETURNING receipt_id`,
      JSON.stringify(report),
      report.receiptId,
    );
    return marked.length > 0;
  }

  /** What is to be told on, by move. */
  reports(): { moveId: string; reports: ReceiptReport[] }[] {
    const rows = this.#parts.sql.run(
      `SELECT move_id, report FROM moved_receipts WHERE report IS NOT NULL AND aboard = 1 ORDER BY receipt_id LIMIT ?`,
      PAGE_RECEIPTS,
    );
    const byMove = Map.groupBy(rows, (row) => text(row, 'move_id'));
    return [...byMove].map(([moveId, own]) => ({
      moveId,
      reports: own.map((row): ReceiptReport => JSON.parse(text(row, 'report'))),
    }));
  }

  get hasReports(): boolean {
    return (
      this.#parts.sql.run(`SELECT 1 FROM moved_receipts WHERE report IS NOT NULL AND aboard = 1 LIMIT 1`)
        .length > 0
    );
  }

  told(reports: readonly ReceiptReport[]): void {
    this.#parts.sql.run(
      `UPDATE moved_receipts SET report = NULL WHERE receipt_id IN (SELECT value FROM json_each(?))`,
      JSON.stringify(reports.map(({ receiptId }) => receiptId)),
    );
  }

  /** The move that a receipt is aboard of. */
  moveOf(receiptId: string): string | undefined {
    const [row] = this.#parts.sql.run(
      `SELECT move_id FROM moved_receipts WHERE receipt_id = ? AND aboard = 1`,
      receiptId,
    );
    return row === undefined ? undefined : text(row, 'move_id');
  }

  /** The move was undone: nothing is aboard of it. */
  unload(moveId: string): void {
    this.#parts.sql.run(`DELETE FROM moved_receipts WHERE move_id = ?`, moveId);
  }
}

const noted = (history: string, note: string): string =>
  JSON.stringify([...JSON.parse(history), JSON.parse(note)]);

const deliveredBy = (receipt: SqlRow) => ({
  attempts: int(receipt, 'attempts'),
  ...(typeof receipt['status'] === 'number' ? { status: receipt['status'] } : {}),
});
