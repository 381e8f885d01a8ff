import {
  int,
  type Receipt,
  type ReceiptState,
  receipt,
  receiptState,
  type SqlRow,
  text,
} from '@clawdbot/protocol';
import { z } from 'zod';

/** A receipt as its row has it. */
export interface ReceiptRow {
  readonly receipt: Receipt;
  readonly parcel: { readonly sha256: string; readonly bytes: number };
  /** Is what the customer sent still here? */
  readonly kept: boolean;
}

/** In the place of its entry's position: it has none yet, since its site is being moved. */
export const HELD = 0;

/** Not delivered, and not given up. */
export const isOpen = (state: ReceiptState): boolean => state === 'stored' || state === 'on_vps';

const history = z.array(receipt.shape.history.element.extend({ reason: z.string().nullish() }));

export function receiptOf(row: SqlRow): ReceiptRow {
  const state = receiptState.parse(row['state']);
  const kept = int(row, 'kept') === 1;
  const bytes = int(row, 'bytes');
  const optional = (column: string, name: string) => (row[column] === null ? {} : { [name]: row[column] });
  return {
    kept,
    parcel: { sha256: text(row, 'sha256'), bytes },
    receipt: receipt.parse({
      id: text(row, 'id'),
      siteId: text(row, 'site_id'),
      route: text(row, 'route'),
      state,
      attempts: int(row, 'attempts'),
      ...optional('last_error', 'lastError'),
      ...optional('status', 'status'),
      bytes,
      receivedAt: int(row, 'received_at'),
      expiresAt: int(row, 'expires_at'),
      ...(kept && !isOpen(state) ? { keptUntil: int(row, 'due') } : {}),
      history: history
        .parse(JSON.parse(text(row, 'history')))
        .map(({ reason, ...note }) => (reason == null ? note : { ...note, reason })),
    }),
  };
}
