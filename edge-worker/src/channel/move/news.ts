import { int, isMoveOver, type SiteMove, type Sql, text } from '@clawdbot/protocol';
import { ENDED_MOVES_MAX } from '../../hub/rpc.ts';
import { HELD } from '../receipt-row.ts';
import { type Departure, departureOf, type MoveBook, moveOf } from './book.ts';

export interface MoveNewsParts {
  readonly sql: Sql;
  readonly book: Pick<MoveBook, 'departure' | 'departures' | 'isBusy' | 'takeTouched'>;
  readonly orchestratorId: string;
  readonly now: () => number;
}

/** As of commands: `hub/tasks.ts` keeps as many. */
const OPEN_MAX = 1_000;
/** Dashboards show them no longer than that; lists have the others. */
const ENDED_TOLD_MS = 60 * 60_000;
/** A millisecond's work, eight times a second at most: beyond it nobody needs to know how many wait. */
const COUNTED_MAX = 2_000;
/** Those whose end D1 knows: `SHOWN` in book.ts says so of each. */
const ENDED = `('following', 'done', 'undone', 'closed')`;

/** What dashboards are told of sites that move away from here. */
export class MoveNews {
  readonly #parts: MoveNewsParts;
  /** Whether some were held when this was last asked: how many wait changes without a step. */
  #held = false;

  constructor(parts: MoveNewsParts) {
    this.#parts = parts;
  }

  /** Those that are under way, and those that ended last and lately. */
  all(): SiteMove[] {
    const { book, now } = this.#parts;
    book.takeTouched();
    const ended = `state IN ${ENDED} AND changed_at > ? ORDER BY COALESCE(moved_at, changed_at) DESC, move_id DESC LIMIT ?`;
    return this.#shown([
      ...this.#departures(ended, now() - ENDED_TOLD_MS, ENDED_MOVES_MAX),
      ...this.#departures(`state NOT IN ${ENDED} ORDER BY move_id DESC LIMIT ?`, OPEN_MAX),
    ]);
  }

  /** Those that have changed since this or `all` was last asked. */
  changed(): SiteMove[] {
    const { book } = this.#parts;
    const touched = book.takeTouched().flatMap((id) => book.departure(id) ?? []);
    const held = this.#held ? book.departures().filter(isHeld) : [];
    return this.#shown([...new Map([...touched, ...held].map((move) => [move.moveId, move])).values()]);
  }

  #departures(where: string, ...params: number[]): Departure[] {
    return this.#parts.sql.run(`SELECT * FROM departures WHERE ${where}`, ...params).map(departureOf);
  }

  #shown(departures: readonly Departure[]): SiteMove[] {
    this.#held = departures.some(isHeld);
    const waiting = this.#held ? this.#waiting() : undefined;
    return departures.map((departure) => {
      const move = moveOf(departure, this.#parts.orchestratorId);
      if (waiting === undefined || !isHeld(departure)) return move;
      return { ...move, waiting: waiting.get(departure.siteId) ?? 0 };
    });
  }

  /** By site. */
  #waiting(): Map<string, number> {
    const rows = this.#parts.sql.run(
      `SELECT site_id, COUNT(*) AS n FROM (
         SELECT site_id FROM receipts WHERE state = 'stored' AND seq = ? LIMIT ?) GROUP BY site_id`,
      HELD,
      COUNTED_MAX,
    );
    return new Map(rows.map((row) => [text(row, 'site_id'), int(row, 'n')]));
  }
}

const isHeld = (departure: Departure): boolean =>
  departure.heldAt !== undefined && !isMoveOver(moveOf(departure, ''));
