import { Failure } from '../errors.ts';
import type { Entry, LogName, Positions } from '../frames/index.ts';
import { LOG_RETENTION_MS } from '../limits.ts';
import { Batches } from './batches.ts';
import { digestOfBody } from './peer.ts';
import { Progress } from './progress.ts';
import { Room } from './room.ts';
import { int, type Sql, text } from './sql.ts';

export interface OutboxOptions {
  readonly sql: Sql;
  readonly log: LogName;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Names a new log; asked once in a database's life. */
  readonly newLogId: () => string;
  /**
   * Keeps what the peer says of this log (`acked`, `projected`) in memory, and writes it with the next entry: its
   * `welcome` repeats it after a crash. So neither a batch nor its acknowledgement costs a commit, on a VPS an
   * fsync each. Everything written then counts as offered. Not for an instance that is rebuilt within a session
   * (hibernation), nor for a log whose entries are withdrawn.
   */
  readonly lazyPositions?: boolean;
  /**
   * While a batch is unacknowledged, what would make a small one waits for more, as in Nagle's algorithm (RFC 896):
   * a message costs each side some 300 µs beside its commit, however little is in it, and events that come one by one
   * are 1.7 times as fast. An entry behind another leaves a round trip later at most; not for commands, which are few
   * and want to leave at once.
   */
  readonly gather?: boolean;
}

/** Rows that go at a time when the log is looked after, … */
const COMPACT_ROWS = 5_000;
/** … and when they make room for a producer, who waits. */
const ROOM_ROWS = 1_000;
/** Five parameters each, and a statement in an object takes 100. Measured, twice as fast as one `json_each`. */
const ROWS_PER_STATEMENT = 20;

/**
 * The sending half of a durable log. Entries are numbered from 1 without gaps and kept until they are
 * acknowledged and past the retention.
 *
 * An entry's body is JSON as text, its size the length of that: bytes, unless it holds other letters than ASCII.
 */
export class Outbox {
  readonly #sql: Sql;
  readonly #log: LogName;
  readonly #now: () => number;
  readonly #progress: Progress;
  readonly #batches: Batches;
  readonly #room: Room;

  constructor({ sql, log, now, newLogId, lazyPositions = false, gather = false }: OutboxOptions) {
    this.#sql = sql;
    this.#log = log;
    this.#now = now;
    this.#room = new Room(sql, log);
    sql.run(`INSERT OR IGNORE INTO log_state (log, direction, log_id) VALUES (?, 'out', ?)`, log, newLogId());
    this.#progress = new Progress(sql, log, lazyPositions);
    // A session that outlives this instance (hibernation) has its unacknowledged entries sent again: its peer
    // passes over what it has.
    this.#batches = new Batches(sql, log, this.#progress.acked, gather);
  }

  /**
   * Writes an entry in the caller's transaction, beside the fact it reports.
   * Throws `Failure('log_full')` when the log is at its bound: then nothing was written.
   * @returns its position
   */
  append(body: string): number {
    return this.appendAll([body]);
  }

  /** As `append`, for many at once: all of them or none. @returns the first one's position */
  appendAll(bodies: readonly string[]): number {
    return this.#sql.transaction(() => {
      const first = this.#reserve(
        bodies.length,
        bodies.reduce((sum, body) => sum + body.length, 0),
      );
      for (let done = 0; done < bodies.length; done += ROWS_PER_STATEMENT) {
        this.#insert(first + done, bodies.slice(done, done + ROWS_PER_STATEMENT));
      }
      return first;
    });
  }

  #insert(first: number, bodies: readonly string[]): void {
    const at = this.#now();
    this.#sql.run(
      `INSERT INTO log_outbox (log, seq, at, bytes, body) VALUES ${bodies.map(() => '(?, ?, ?, ?, ?)').join(', ')}`,
      ...bodies.flatMap((body, index) => [this.#log, first + index, at, body.length, body]),
    );
  }

  /**
   * Counts entries in. What is acknowledged goes before its retention is over if that makes room: only what the
   * peer lacks makes a log full. @returns the first one's position
   */
  #reserve(rows: number, bytes: number): number {
    for (;;) {
      const last = this.#room.countIn(rows, bytes, this.#progress.said);
      if (last !== undefined) return last - rows + 1;
      if (this.#forget(ROOM_ROWS, Number.POSITIVE_INFINITY) > 0) continue;
      const message = `the ${this.#log} log is full: the other side has not acknowledged its entries`;
      throw new Failure('log_full', message, { retryAfterMs: 60_000 });
    }
  }

  /** Puts another body in an entry's place, if it was never on a wire. @returns whether it was done */
  replace(seq: number, body: string): boolean {
    return seq > this.offered && this.rewrite(seq, body);
  }

  /**
   * Puts another body in an entry's place that its peer has lost again (a restored database).
   * @returns whether it is still kept
   */
  rewrite(seq: number, body: string): boolean {
    return this.#sql.transaction(() => {
      const [old] = this.#sql.run(`SELECT bytes FROM log_outbox WHERE log = ? AND seq = ?`, this.#log, seq);
      if (old === undefined) return false;
      this.#sql.run(
        `UPDATE log_outbox SET body = ?, bytes = ? WHERE log = ? AND seq = ?`,
        body,
        body.length,
        this.#log,
        seq,
      );
      this.#room.change(0, body.length - int(old, 'bytes'));
      return true;
    });
  }

  get logId(): string {
    return text(this.#progress.state(), 'log_id');
  }

  /**
   * The database was restored, and the peer has entries of before: from here on this is another log. What it
   * shares with the old one is what was offered before the copy was made; call it before anything is appended
   * where everything counts as offered. `peerLogId` is the log that the peer follows, when that is known: a
   * database restored twice before its peer has heard of the first time continues what the peer knows.
   */
  renew(logId: string, peerLogId?: string): void {
    if (peerLogId !== undefined && peerLogId === this.position().continues?.logId) {
      this.#sql.run(`UPDATE log_state SET log_id = ? WHERE log = ? AND direction = 'out'`, logId, this.#log);
      return;
    }
    this.#sql.run(
      `UPDATE log_state SET parent_log_id = log_id, parent_seq = ?, log_id = ?
       WHERE log = ? AND direction = 'out'`,
      this.offered,
      logId,
      this.#log,
    );
  }

  /** Where this log stands, as `hello` and `welcome` tell it. */
  position(): Pick<Positions, 'logId' | 'continues' | 'oldest' | 'last'> {
    const state = this.#progress.state();
    const last = int(state, 'last');
    const [first] = this.#sql.run(`SELECT MIN(seq) AS oldest FROM log_outbox WHERE log = ?`, this.#log);
    const parent = state?.['parent_log_id'];
    return {
      logId: text(state, 'log_id'),
      ...(typeof parent === 'string' ? { continues: { logId: parent, seq: int(state, 'parent_seq') } } : {}),
      oldest: first?.['oldest'] == null ? last + 1 : int(first, 'oldest'),
      last,
    };
  }

  /**
   * How much of this log a peer has: where it stands if it follows this one, where the two part if it follows the
   * one that this continues; undefined if it knows neither.
   */
  sharedWith({ peerLogId, applied }: Pick<Positions, 'peerLogId' | 'applied'>): number | undefined {
    const { logId, continues } = this.position();
    if (peerLogId === logId) return applied;
    if (peerLogId === undefined || peerLogId !== continues?.logId) return undefined;
    return Math.min(applied, continues.seq);
  }

  /**
   * Does the peer know what this database has lost: a log that is not here any more, or entries of this one that it
   * has never offered? Then it is an older copy, and what it writes under these positions would be passed over.
   */
  isBehind(peer: Pick<Positions, 'peerLogId' | 'applied'>): boolean {
    const shared = this.sharedWith(peer);
    return peer.peerLogId !== undefined && (shared === undefined || shared > this.offered);
  }

  /**
   * Is the entry that the peer committed last another one than stands here? Then one database was copied, and both
   * went on: behind that position the two have nothing in common.
   */
  isForked(peer: Pick<Positions, 'peerLogId' | 'applied' | 'appliedDigest'>): boolean {
    if (peer.appliedDigest === undefined || this.sharedWith(peer) !== peer.applied) return false;
    const body = this.body(peer.applied);
    return body !== undefined && digestOfBody(body) !== peer.appliedDigest;
  }

  /**
   * A session begins: sending goes on behind what the peer has applied. That may be less than it once
   * acknowledged, if its database was restored: what is kept is offered again. Throws when the peer has more than
   * there is, since it would pass new entries over and acknowledge them: see `isBehind`.
   */
  resume(applied: number): void {
    const { last } = this.position();
    if (applied > last) throw new RangeError(`the peer has ${applied} entries of a log of ${last}`);
    if (applied !== this.acked) this.#progress.acked = applied;
    this.#progress.offer(applied);
    this.#batches.restart(applied);
  }

  /** Would `nextBatch` return anything? Asking writes nothing, so that it needs no transaction. */
  get hasBatch(): boolean {
    return this.#batches.isDue;
  }

  /** The next entries to send, or none while enough is in flight. What it returns counts as offered. */
  nextBatch(): Entry[] {
    const entries = this.#batches.next();
    const last = entries.at(-1);
    if (last !== undefined) this.#progress.offer(last.seq);
    return entries;
  }

  /** The peer has committed everything up to `applied`. @returns the first position newly acknowledged */
  acknowledge(applied: number): number {
    const before = this.acked;
    const upTo = Math.min(applied, this.#progress.last);
    this.#batches.arrived(upTo);
    if (upTo > before) this.#progress.acked = upTo;
    return before + 1;
  }

  /** The edge has brought everything up to `projected` into D1, too. */
  project(projected: number): void {
    if (projected > this.projected) this.#progress.projected = projected;
  }

  /** How far D1 is known to show this log. */
  get projected(): number {
    return this.#progress.projected;
  }

  /** The last position ever put on a wire: what is behind it may still be replaced. */
  get offered(): number {
    return this.#progress.offered;
  }

  /** How far the peer has acknowledged. */
  get acked(): number {
    return this.#progress.acked;
  }

  /** The body of an entry that is still kept. */
  body(seq: number): string | undefined {
    const [row] = this.#sql.run(`SELECT body FROM log_outbox WHERE log = ? AND seq = ?`, this.#log, seq);
    return row === undefined ? undefined : text(row, 'body');
  }

  /** Entries written and not acknowledged. */
  get depth(): number {
    return this.#progress.last - this.acked;
  }

  /** Deletes what is acknowledged and older than the retention, `limit` rows at most. @returns rows deleted */
  compact(limit = COMPACT_ROWS): number {
    const before = this.#now() - LOG_RETENTION_MS;
    return this.#sql.transaction(() => this.#forget(limit, before));
  }

  #forget(limit: number, before: number): number {
    const gone = this.#room.forget(this.acked, limit, before);
    if (gone > 0) this.#progress.forgot();
    return gone;
  }
}
