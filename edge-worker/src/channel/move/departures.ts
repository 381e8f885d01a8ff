import { Failure, orderedId, type RandomBytes, type SiteMove, type Sql } from '@clawdbot/protocol';
import type { ConfigReports } from '../config-reports.ts';
import type { Configs } from '../configs.ts';
import type { Control } from '../control.ts';
import type { Intake } from '../intake.ts';
import type { After } from '../liveness.ts';
import type { PresenceBook } from '../presence.ts';
import type { Receipts } from '../receipts.ts';
import type { Stale } from '../stale.ts';
import type { Baggage } from './baggage.ts';
import { type Departure, type MoveBook, moveOf } from './book.ts';
import type { Hands } from './hands.ts';
import type { Ledger } from './ledger.ts';
import type { Arrival, ArrivalMessage, CargoTable } from './rpc.ts';

export interface DeparturesParts {
  readonly sql: Sql;
  readonly orchestratorId: string;
  readonly orgId: () => string | undefined;
  readonly book: MoveBook;
  readonly baggage: Baggage;
  readonly hands: Hands;
  readonly configs: Configs;
  readonly reports: Pick<ConfigReports, 'ran'>;
  readonly control: Pick<Control, 'leave' | 'forgetSite'>;
  readonly intake: Pick<Intake, 'letGo'>;
  readonly receipts: Pick<Receipts, 'find'>;
  readonly stale: Pick<Stale, 'removeSite'>;
  readonly presence: PresenceBook;
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly after: After;
  /** Who waits for an answer to them gets the receipt: it will not be given here any more. */
  readonly onAboard: (receiptIds: readonly string[]) => void;
  /** Some move is further than it was. May be said inside a transaction. */
  readonly onStep: () => void;
  /** Says it to the object of that orchestrator. Rejects with `Failure`. */
  readonly tell: (orchestratorId: string, message: ArrivalMessage) => Promise<Arrival>;
}

/** The new orchestrator has the config within milliseconds, or something is wrong with it. */
const PREPARE_MS = 60_000;
/** Requests are not sent meanwhile: rather undone than held up longer. */
const HOLD_MS = 60_000;
const LOOK_MS = 20;
/** What the orchestrator of before has on its way may end within this; what does not is repeated, under its key. */
const SETTLE_MS = 300;
/** Customers wait at the door for so long; then they are let in, and what they sent is taken along all the same. */
const GATE_MS = 2_000;
/** Isolates may send to the other lanes of the orchestrator of before for as long: directory and routes, ten seconds each. */
const FOLLOW_MS = 30_000;
const LET_GO_PER_STEP = 200;
const TABLES: readonly CargoTable[] = ['configs', 'secrets', 'worker_vars'];

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

  /** Throws `Failure('not_found')`. */
  move(moveId: string): SiteMove {
    const departure = this.#parts.book.departure(moveId);
    if (departure === undefined) throw new Failure('not_found', `no move "${moveId}"`);
    return moveOf(departure, this.#parts.orchestratorId);
  }

  /** A new site gets the id of one that has left: what is left of that goes first. */
  replace(siteId: string): void {
    const { sql, book, control } = this.#parts;
    const last = book.departureOf(siteId);
    if (last?.state === 'moved') throw moving('the site that had this id is still being put away');
    if (last?.state !== 'following') return;
    sql.transaction(() => {
      control.forgetSite(siteId);
      this.#to(last, 'done');
    });
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
    switch (move.state) {
      case 'preparing':
        return this.#orUndo(move, () => this.prepare(move));
      case 'moving':
        return this.#orUndo(move, () => this.load(move));
      case 'committing':
        return this.commit(move);
      case 'moved':
        return this.follow(move);
      case 'following':
        return this.leave(move);
      case 'undoing':
        return this.undo(move);
      case 'undone':
        return this.close(move);
      case 'done':
      case 'closed':
        return false;
    }
  }

  async #orUndo(move: Departure, step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      const until = move.heldAt === undefined ? this.#turnOf(move) + PREPARE_MS : move.heldAt + HOLD_MS;
      if (!isRefusal(error) && this.#parts.now() <= until) throw error;
      this.#to(move, 'undoing', error instanceof Failure ? error.message : String(error));
      return true;
    }
  }

  // Each of these is one step, from its state to the next, and returns whether to go on at once.

  /** The new orchestrator gets the site's config, and its object what has ended. The site works as before. */
  async prepare(move: Departure): Promise<boolean> {
    const { configs, reports, ledger, baggage, orgId, orchestratorId } = this.#parts;
    const { siteId, actor } = move;
    const until = this.#turnOf(move) + PREPARE_MS;
    const { paused, generation } = configs.site(siteId);
    await ledger.note(move).catch(() => undefined); // A list that is late; the end is told for certain.
    const own = { source: orchestratorId, orgId: orgId() ?? '', siteId, actor };
    const offer = { ...own, paused, generation, runs: reports.ran(siteId) ?? 0 };
    await this.#tell(move, { is: 'offer', ...offer });
    for (const table of TABLES)
      for (const rows of baggage.rows(table, siteId)) await this.#tell(move, { is: 'rows', table, rows });
    await this.#tell(move, { is: 'config' });
    await this.#ship(move, 'ended');
    if (generation > 0) await this.#applied(move, until);
    this.#to(move, 'moving');
    return true;
  }

  /** The same for each try of this instance, so that one that never gets through ends. */
  #turnOf({ moveId }: Departure): number {
    const turn = this.#turns.get(moveId) ?? this.#parts.now();
    this.#turns.set(moveId, turn);
    return turn;
  }

  /** A config that the new VPS refuses would take the site down: better found now. */
  async #applied(move: Departure, until: number): Promise<void> {
    for (;;) {
      const { config, reason = '' } = await this.#tell(move, { is: 'config' });
      if (config === 'applied' || config === 'none') return;
      if (config === 'failed')
        throw new Failure('config_refused', `${move.target} does not take the site’s config: ${reason}`);
      if (this.#parts.now() > until)
        throw new Failure('conflict', `${move.target} has not applied the site’s config within 60 s`);
      await this.#wait(LOOK_MS);
    }
  }

  /** Requests are stored and not sent from here on. What is left of them goes aboard. */
  async load(move: Departure): Promise<boolean> {
    await this.#settled(move);
    await this.#ship(move, 'all');
    this.#to(move, 'committing');
    return true;
  }

  /** What the orchestrator of before has in hand may come to its end. */
  async #settled({ siteId, heldAt = 0 }: Departure): Promise<void> {
    const { hands, receipts, presence, now } = this.#parts;
    const isOurs = (id: string) => receipts.find(id)?.receipt.siteId === siteId;
    while (presence.current.state === 'online' && now() < heldAt + SETTLE_MS && hands.all.some(isOurs))
      await this.#wait(LOOK_MS / 4);
  }

  /**
   * The new object owns the site from somewhere in here on. Requests that come meanwhile wait at the door; those that
   * are in the house are stored, and taken along.
   */
  async commit(move: Departure): Promise<boolean> {
    const { book, after } = this.#parts;
    const open = book.shut(move.siteId);
    const cancel = after(GATE_MS, open);
    try {
      await this.#shipHeld(move);
      await this.#tellReports(move);
      const { state } = await this.#parts.tell(move.target, { moveId: move.moveId, is: 'own' });
      if (state === 'undone') this.#to(move, 'undoing', `${move.target} has lost what was brought there`);
      else {
        do await this.#shipHeld(move);
        while (!this.#handOver(move));
      }
    } finally {
      cancel();
      open();
    }
    return true;
  }

  /** In the turn in which nothing is left here. @returns false when something is */
  #handOver(move: Departure): boolean {
    const { sql, baggage, control, stale } = this.#parts;
    const { siteId, moveId, target } = move;
    if (baggage.held(siteId, moveId).length > 0) return false;
    sql.transaction(() => {
      control.leave(siteId, `the site was moved to ${target}: give it again`);
      stale.removeSite(siteId);
      this.#to(move, 'moved');
    });
    return true;
  }

  /** D1 follows, and what is elsewhere now goes from here. */
  async follow(move: Departure): Promise<boolean> {
    const { baggage, ledger } = this.#parts;
    await ledger.follow(move);
    for (let after: string | null = ''; after !== null; ) {
      after = baggage.drop(move.siteId, after);
      await this.#wait(0);
    }
    this.#to(move, 'following');
    return true;
  }

  /** Nobody asks here any more: the orchestrator of before may forget the site. */
  async leave(move: Departure): Promise<boolean> {
    const { sql, control, now } = this.#parts;
    if (now() < move.changedAt + FOLLOW_MS) return false;
    sql.transaction(() => {
      control.forgetSite(move.siteId);
      this.#to(move, 'done');
    });
    return false;
  }

  /** The new object lets go of it, and what was held is sent from here. If it owns the site, the move goes on instead. */
  async undo(move: Departure): Promise<boolean> {
    const { tell, baggage } = this.#parts;
    const { moveId, siteId } = move;
    for (let more = true; more; ) {
      const arrival = await tell(move.target, { moveId, is: 'undo' });
      if (arrival.state === 'owns' || arrival.state === 'here') {
        this.#to(move, 'committing');
        return true;
      }
      more = arrival.more === true;
    }
    if (move.heldAt !== undefined) {
      const reason = `the site’s move to ${move.target} was undone`;
      for (let after: string | null = ''; after !== null; ) {
        after = baggage.hold(siteId, after, reason);
        await this.#wait(0);
      }
    }
    while (!this.#letGo(move)) await this.#wait(0);
    return true;
  }

  /** One step. @returns whether nothing is held any more */
  #letGo(move: Departure): boolean {
    const { sql, intake, baggage } = this.#parts;
    return sql.transaction(() => {
      if (intake.letGo(move.siteId, LET_GO_PER_STEP) === LET_GO_PER_STEP) return false;
      baggage.unload(move.moveId);
      this.#to(move, 'undone');
      return true;
    });
  }

  async close(move: Departure): Promise<boolean> {
    await this.#parts.ledger.note(move);
    this.#to(move, 'closed');
    return false;
  }

  /** Tells what the orchestrator of before has delivered, to those who have the receipts. */
  async tellReports(): Promise<void> {
    const { book, baggage } = this.#parts;
    for (let batches = baggage.reports(); batches.length > 0; batches = baggage.reports()) {
      for (const { moveId, reports } of batches) {
        const move = book.departure(moveId);
        if (move !== undefined) await this.#parts.tell(move.target, { moveId, is: 'reports', reports });
        baggage.told(reports);
      }
    }
  }

  async #tellReports({ moveId, target }: Departure): Promise<void> {
    const { baggage, tell } = this.#parts;
    for (const batch of baggage.reports().filter((reported) => reported.moveId === moveId)) {
      await tell(target, { moveId, is: 'reports', reports: batch.reports });
      baggage.told(batch.reports);
    }
  }

  async #ship(move: Departure, only: 'ended' | 'all'): Promise<void> {
    const { baggage } = this.#parts;
    for (let after: string | null = ''; after !== null; ) {
      const { ids, next } = baggage.look(move.siteId, move.moveId, after, only);
      for (let left = ids; left.length > 0; ) left = left.slice(await this.#send(move, left));
      after = next;
      await this.#wait(0);
    }
  }

  async #shipHeld(move: Departure): Promise<void> {
    const { baggage } = this.#parts;
    const held = () => baggage.held(move.siteId, move.moveId);
    for (let ids = held(); ids.length > 0; ids = held()) await this.#send(move, ids);
  }

  /** One message. @returns how many of the ids it had */
  async #send(move: Departure, ids: readonly string[]): Promise<number> {
    const { sql, baggage, book, onAboard, onStep } = this.#parts;
    const packed = sql.transaction(() => baggage.pack(ids, move.moveId));
    if (packed.length === 0) return ids.length;
    await this.#tell(move, { is: 'receipts', receipts: packed });
    sql.transaction(() => {
      baggage.aboard(packed);
      book.count(move.moveId, packed.length);
    });
    onStep();
    onAboard(packed.map(({ receipt }) => String(receipt['id'])));
    return packed.length;
  }

  /** Before the new object owns the site. Throws when it knows nothing of the move. */
  async #tell({ moveId, target }: Departure, message: Unnamed<ArrivalMessage>): Promise<Arrival> {
    const arrival = await this.#parts.tell(target, { moveId, ...message } as ArrivalMessage);
    if (arrival.state === 'undone')
      throw new Failure('conflict', `${target} has lost what was brought there`);
    return arrival;
  }

  #to({ moveId }: Departure, state: Departure['state'], reason?: string): void {
    const { book, onStep } = this.#parts;
    this.#turns.delete(moveId);
    book.set(moveId, state, reason);
    book.changed();
    onStep();
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#parts.after(ms, resolve);
    return promise;
  }
}

type Unnamed<M> = M extends unknown ? Omit<M, 'moveId'> : never;

export const moving = (why: string) =>
  new Failure('site_moving', `${why}: try again`, { retryAfterMs: 1_000 });
