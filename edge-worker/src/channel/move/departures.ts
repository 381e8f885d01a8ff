import { Failure, orderedId, type RandomBytes, type SiteMove, type Sql } from '@clawdbot/protocol';
import type { Configs } from '../configs.ts';
import type { Control } from '../control.ts';
import type { Back } from './back.ts';
import type { Departure, MoveBook } from './book.ts';
import { FOLLOW_MS, type Forward, PREPARE_MS } from './forward.ts';
import type { Ledger } from './ledger.ts';
import { moving, type Passage, Recalled } from './passage.ts';
import { moveOf } from './shown.ts';

export interface DeparturesParts {
  readonly sql: Sql;
  readonly orchestratorId: string;
  readonly book: MoveBook;
  readonly passage: Passage;
  readonly forward: Forward;
  readonly back: Back;
  readonly configs: Pick<Configs, 'site'>;
  readonly control: Pick<Control, 'forgetSite'>;
  readonly ledger: Pick<Ledger, 'note'>;
  readonly now: () => number;
  readonly random: RandomBytes;
  /** Some move is further than it was. May be said inside a transaction. */
  readonly onStep: () => void;
}

/** Requests are not sent meanwhile: rather undone than held up longer. */
const HOLD_MS = 60_000;

/** These will not change by trying again. */
const isRefusal = (error: unknown): error is Failure =>
  error instanceof Failure && (!error.retryable || error.code === 'log_full');

/**
 * Moves sites away, step by step. Each step's outcome is a state in this object's database, written in the transaction
 * of what it brings; what comes before that may be repeated, since each message is safe to repeat.
 */
export class Departures {
  readonly #parts: DeparturesParts;
  /** When a move's preparation had its turn: behind an evacuation's others it may have waited for minutes. */
  readonly #turns = new Map<string, number>();

  constructor(parts: DeparturesParts) {
    this.#parts = parts;
  }

  /** Throws `Failure`: `not_found`, `conflict`, `site_moving`. @returns the move, begun now or before */
  begin(siteId: string, target: string, actor: string): SiteMove {
    const { sql, book, configs, orchestratorId, now, random, onStep } = this.#parts;
    configs.site(siteId);
    if (target === orchestratorId) throw new Failure('conflict', `the site is on ${orchestratorId} already`);
    const last = book.departureOf(siteId);
    if (book.isLeaving(siteId) && last !== undefined) {
      if (last.target === target) return moveOf(last, orchestratorId);
      throw new Failure('conflict', `the site is being moved to ${last.target}`);
    }
    if (book.isHeld(siteId)) throw moving('the site is still arriving here');
    const moveId = `move_${orchestratorId}_${orderedId(now(), random)}`;
    sql.transaction(() => book.depart({ moveId, siteId, target, actor }));
    onStep();
    return this.move(moveId);
  }

  /**
   * Has lists show a move from its beginning: behind an evacuation's others it may wait for minutes, and by a list it is
   * found to be cancelled. Never rejects: a list may be late, and is told the end for certain.
   */
  async note(moveId: string): Promise<void> {
    await this.#parts.ledger.note(this.#find(moveId)).catch(() => undefined);
  }

  /** Throws `Failure('not_found')`. */
  move(moveId: string): SiteMove {
    return moveOf(this.#find(moveId), this.#parts.orchestratorId);
  }

  /**
   * Takes the site back, while the new object does not own it: that one decides, when it may. Repeated, it changes nothing.
   * Throws `Failure`: `not_found`, `conflict` when the site is there.
   */
  async cancel(moveId: string, actor: string): Promise<SiteMove> {
    const { passage } = this.#parts;
    const move = this.#find(moveId);
    const reason = `cancelled by ${actor}`;
    if (move.state === 'moved' || move.state === 'following' || move.state === 'done') throw tooLate(move);
    if (move.state === 'preparing' || move.state === 'moving') passage.to(move, 'undoing', { reason });
    if (move.state === 'committing') {
      this.#parts.book.say(move, reason);
      const { state } = await passage.ask(move, { is: 'undo' });
      if (state === 'owns' || state === 'here') throw tooLate(move);
      passage.to(move, 'undoing', { reason });
    }
    return this.move(moveId);
  }

  /** A new site gets the id of one that has left: what is left of that goes first. */
  replace(siteId: string): void {
    const { book, control, passage } = this.#parts;
    const last = book.departureOf(siteId);
    if (last?.state === 'moved') throw moving('the site that had this id is still being put away');
    if (last?.state !== 'following') return;
    passage.to(last, 'done', { bring: () => control.forgetSite(siteId, last.target) });
  }

  /** Goes on until it is over, or waits for its time. Rejects when something has to be tried again. */
  async run(moveId: string): Promise<void> {
    for (;;) {
      const move = this.#parts.book.departure(moveId);
      if (move === undefined || !(await this.#step(move))) return;
    }
  }

  /** When `run` has something to do; undefined when it is over. */
  dueAt({ state, changedAt }: Departure): number | undefined {
    if (state === 'done' || state === 'closed') return undefined;
    return state === 'following' ? changedAt + FOLLOW_MS : changedAt;
  }

  /** @returns whether to go on at once */
  async #step(move: Departure): Promise<boolean> {
    const { forward, back } = this.#parts;
    switch (move.state) {
      case 'preparing':
        return this.#prepare(move);
      case 'moving':
        return this.#orUndo(move, (move.heldAt ?? move.changedAt) + HOLD_MS, () => forward.load(move));
      case 'committing':
        return this.#orRecalled(() => forward.commit(move));
      case 'moved':
        return forward.follow(move);
      case 'following':
        return forward.leave(move);
      case 'undoing':
        return back.undo(move);
      case 'undone':
        return back.close(move);
      case 'done':
      case 'closed':
        return false;
    }
  }

  /** Has a minute from its turn on, the same for each try of this instance, so that one that never gets through ends. */
  async #prepare(move: Departure): Promise<boolean> {
    const { forward, book, now } = this.#parts;
    const turn = this.#turns.get(move.moveId) ?? now();
    this.#turns.set(move.moveId, turn);
    const until = turn + PREPARE_MS;
    try {
      return await this.#orUndo(move, until, () => forward.prepare(move, until));
    } finally {
      if (book.departure(move.moveId)?.state !== 'preparing') this.#turns.delete(move.moveId);
    }
  }

  async #orUndo(move: Departure, until: number, step: () => Promise<boolean>): Promise<boolean> {
    const { passage, now } = this.#parts;
    try {
      return await this.#orRecalled(step);
    } catch (error) {
      if (!isRefusal(error) && now() <= until) throw error;
      passage.to(move, 'undoing', { reason: error instanceof Failure ? error.message : String(error) });
      return true;
    }
  }

  /** Cancelled while the step was under way: the next one takes the site back. */
  async #orRecalled(step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      if (error instanceof Recalled) return true;
      throw error;
    }
  }

  #find(moveId: string): Departure {
    const departure = this.#parts.book.departure(moveId);
    if (departure === undefined) throw new Failure('not_found', `no move "${moveId}"`);
    return departure;
  }
}

const tooLate = ({ siteId, target }: Departure): Failure =>
  new Failure(
    'conflict',
    `${target} has the site already: nothing is taken back; to have it here again, move it back ("clawctl sites move ${siteId} …")`,
  );
