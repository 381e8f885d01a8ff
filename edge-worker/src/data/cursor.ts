import { Failure } from '@clawdbot/protocol';

/** Cuts one row more than asked for into a page and the cursor behind its last item. */
export function pageOf<T>(rows: readonly T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

/** A place in a list that is ordered by time and, within one millisecond, by id. */
export interface TimeCursor {
  readonly at: number;
  readonly id: string;
}

export const timeCursor = ({ at, id }: TimeCursor): string => `${at}.${id}`;

export function parseTimeCursor(text: string): TimeCursor {
  const [, at, id] = /^(\d{1,15})\.(.+)$/s.exec(text) ?? [];
  if (at === undefined || id === undefined) {
    throw new Failure('bad_request', 'after: expected the `next` of an earlier page');
  }
  return { at: Number(at), id };
}

/** A place in a list that D1 numbers. */
export const positionCursor = (position: number): string => String(position);

export function parsePositionCursor(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new Failure('bad_request', 'after: expected the `next` of an earlier page');
  return Number(text);
}
