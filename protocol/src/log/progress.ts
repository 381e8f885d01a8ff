import type { LogName } from '../frames/index.ts';
import { int, type Sql, type SqlRow } from './sql.ts';

/** What the peer has said of a log. */
export interface Said {
  acked: number;
  projected: number;
}

/**
 * How far a log has come: on a wire, at its peer, in D1. With lazy positions (`OutboxOptions`) nothing of that is written
 * here: what the peer says is kept in memory until something else of the log is written, and everything counts as offered.
 */
export class Progress {
  readonly #sql: Sql;
  readonly #log: LogName;
  /** Not in the database yet: with lazy positions alone. */
  readonly said: Said | undefined;

  constructor(sql: Sql, log: LogName, lazy: boolean) {
    this.#sql = sql;
    this.#log = log;
    if (!lazy) return;
    const state = this.state();
    this.said = { acked: int(state, 'acked'), projected: int(state, 'projected') };
  }

  /** The last position that is written. */
  get last(): number {
    return int(this.state(), 'last');
  }

  get acked(): number {
    return this.said?.acked ?? int(this.state(), 'acked');
  }

  set acked(acked: number) {
    if (this.said === undefined) this.#set('acked', acked);
    else this.said.acked = acked;
  }

  get projected(): number {
    return this.said?.projected ?? int(this.state(), 'projected');
  }

  set projected(projected: number) {
    if (this.said === undefined) this.#set('projected', projected);
    else this.said.projected = projected;
  }

  get offered(): number {
    return int(this.state(), this.said === undefined ? 'offered' : 'last');
  }

  /** Everything up to `end` has been put on a wire. */
  offer(end: number): void {
    if (this.said === undefined && end > this.offered) this.#set('offered', end);
  }

  /** Entries are gone. On the disk `acked` must not lie behind them: they would count as waiting after a crash. */
  forgot(): void {
    if (this.said !== undefined) this.#set('acked', this.said.acked);
  }

  /** The outbox's row of `log_state`. */
  state(): SqlRow | undefined {
    return this.#sql.run(`SELECT * FROM log_state WHERE log = ? AND direction = 'out'`, this.#log)[0];
  }

  #set(column: 'acked' | 'offered' | 'projected', value: number): void {
    this.#sql.run(`UPDATE log_state SET ${column} = ? WHERE log = ? AND direction = 'out'`, value, this.#log);
  }
}
