import { int, type SqlRow, text } from './sql.ts';

/** Names an entry in an inbox. */
export interface EntryKey {
  readonly logId: string;
  readonly seq: number;
}

/** An entry waiting to be handled. */
export interface InboxItem extends EntryKey {
  readonly at: number;
  readonly body: string;
  readonly attempts: number;
}

/** An entry that could not be handled. */
export interface Letter extends InboxItem {
  readonly failedAt: number;
  readonly error: string;
}

export const itemOf = (row: SqlRow): InboxItem => ({
  logId: text(row, 'log_id'),
  seq: int(row, 'seq'),
  at: int(row, 'at'),
  body: text(row, 'body'),
  attempts: int(row, 'attempts'),
});

export const letterOf = (row: SqlRow): Letter => ({
  ...itemOf(row),
  // A letter of before `failed_at` was kept died when nobody wrote down.
  failedAt: row['failed_at'] === null ? int(row, 'at') : int(row, 'failed_at'),
  error: row['error'] === null ? '' : text(row, 'error'),
});
