import type { Entry } from '../../frames/index.ts';
import type { Inbox } from '../inbox.ts';
import type { InboxItem } from '../letter.ts';
import { Outbox, type OutboxOptions } from '../outbox.ts';
import type { Sql } from '../sql.ts';

/** Runs `use` with a new, empty database of the adapter under test. */
export type UseSql = <T>(use: (sql: Sql) => T) => T | Promise<T>;

export const LOG_ID = 'log-aaaaaaaa';

/** An outbox with a clock that stands still. */
export function outboxOver(sql: Sql, options: Partial<OutboxOptions> = {}): Outbox {
  return new Outbox({ sql, log: 'control', now: () => 1_000, newLogId: () => LOG_ID, ...options });
}

export function appended(outbox: Outbox, ...bodies: string[]): Outbox {
  for (const body of bodies) outbox.append(body);
  return outbox;
}

/** What the log believes to hold, beside what it holds. */
export function counts(sql: Sql) {
  const [kept] = sql.run(`SELECT rows, bytes FROM log_state WHERE direction = 'out'`);
  const [real] = sql.run(`SELECT COUNT(*) AS rows, COALESCE(SUM(bytes), 0) AS bytes FROM log_outbox`);
  return { kept, real };
}

export const entryOf = (seq: number): Entry => ({
  type: 'entry',
  log: 'control',
  seq,
  at: 1,
  body: `entry ${seq}`,
});

/** `first` to `last`, both included. */
export const entriesOf = (first: number, last: number): Entry[] =>
  Array.from({ length: last - first + 1 }, (_, index) => entryOf(first + index));

export const bodiesOf = (inbox: Inbox): string[] => inbox.pending(10_000, 0).map((item) => item.body);

/** The oldest entry that waits. Throws when none does. */
export function firstOf(inbox: Inbox, now = 0): InboxItem {
  const [item] = inbox.pending(1, now);
  if (item === undefined) throw new Error('nothing is pending');
  return item;
}
