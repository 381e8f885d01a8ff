import { type Resync, resync, type Sql, text } from '@clawdbot/protocol';
import { z } from 'zod';
import type { Logger } from '../log.ts';

/** Entries, by their places in the edge's logs, that were deleted there before they came here. */
export type Unrecoverable = Resync['unrecoverable'];

const kept = z.object({ at: z.int(), ranges: resync.shape.unrecoverable });
type Kept = z.infer<typeof kept>;

/** Ranges that are remembered, the newest: as many as one `resync` frame names. */
const RANGES_MAX = 100;

/** What of the edge's logs never came here, and never will: kept, so that whoever asks later sees it. */
export class Losses {
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #log: Logger;

  constructor(sql: Sql, now: () => number, log: Logger) {
    this.#sql = sql;
    this.#now = now;
    this.#log = log;
  }

  /** In the caller's transaction. What is known already is passed over: both sides may find it. */
  record(ranges: Unrecoverable): void {
    const known = this.#kept()?.ranges ?? [];
    const news = ranges.filter((range) => !known.some((other) => isSame(range, other)));
    if (news.length === 0) return;
    for (const range of news) this.#log.error('entries of the edge are lost for good', range);
    const value: Kept = { at: this.#now(), ranges: [...known, ...news].slice(-RANGES_MAX) };
    this.#sql.run(`INSERT OR REPLACE INTO meta VALUES ('lost', ?)`, JSON.stringify(value));
  }

  /** How many entries, and when the last of them were found missing; undefined when nothing is. */
  get value(): { readonly at: number; readonly entries: number } | undefined {
    const found = this.#kept();
    if (found === undefined) return undefined;
    return { at: found.at, entries: found.ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0) };
  }

  #kept(): Kept | undefined {
    const [row] = this.#sql.run(`SELECT value FROM meta WHERE key = 'lost'`);
    return row === undefined ? undefined : kept.parse(JSON.parse(text(row, 'value')));
  }
}

type Range = Unrecoverable[number];
const isSame = (a: Range, b: Range): boolean => a.log === b.log && a.from === b.from && a.to === b.to;
