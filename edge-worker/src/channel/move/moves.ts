import { Failure, type ReceiptReport, type SiteMove } from '@clawdbot/protocol';
import { inParallel } from '../../parallel.ts';
import type { After } from '../liveness.ts';
import type { Receipts } from '../receipts.ts';
import type { Arrivals } from './arrivals.ts';
import type { Baggage } from './baggage.ts';
import type { ArrivalRow, MoveBook } from './book.ts';
import type { Departures } from './departures.ts';
import type { Forward } from './forward.ts';
import type { Hands } from './hands.ts';
import type { HeldCommands } from './held-commands.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';

export interface MovesParts {
  readonly book: MoveBook;
  readonly baggage: Baggage;
  readonly hands: Hands;
  readonly held: Pick<HeldCommands, 'moveOf'>;
  readonly departures: Departures;
  readonly forward: Pick<Forward, 'tellReports'>;
  readonly arrivals: Arrivals;
  readonly receipts: Pick<Receipts, 'find'>;
  readonly now: () => number;
  readonly after: After;
  readonly wakeAt: (at: number) => Promise<void>;
  /** There is something for `depart` or `arrive`. */
  readonly onWork: () => void;
  /** Entries were written. */
  readonly onStored: () => void;
  /** How far a move is, by the object from which the site comes: asked, that goes on with it. Rejects with `Failure`. */
  readonly ask: (orchestratorId: string, moveId: string) => Promise<SiteMove>;
}

/** Moves that go on at once, of an evacuation. */
const AT_ONCE = 8;
/** While one is under way the object is woken this often, should it have been lost with what was going on. */
const WATCH_MS = 5_000;
/** A move whose source has said nothing for so long: it is asked. */
const SILENCE_MS = 60_000;

/** What this object does for moves beside its other work, and what others ask of it about them. */
export class Moves {
  readonly #parts: MovesParts;

  constructor(parts: MovesParts) {
    this.#parts = parts;
  }

  /**
   * Has a site leave. Rejects with `Failure`: `not_found`, `conflict`, `site_moving`.
   * @returns the move, begun now or before
   */
  async begin(siteId: string, target: string, actor: string): Promise<SiteMove> {
    const { departures } = this.#parts;
    const move = departures.begin(siteId, target, actor);
    await this.#goOn();
    await departures.note(move.id);
    return move;
  }

  /** Takes a site back. Rejects with `Failure`: `not_found`, `conflict` when the new object owns it. */
  async cancel(moveId: string, actor: string): Promise<SiteMove> {
    const move = await this.#parts.departures.cancel(moveId, actor);
    await this.#goOn();
    return move;
  }

  /** What the object that has a site tells of it. Rejects with `Failure`. */
  async take(message: ArrivalMessage): Promise<Arrival> {
    const arrival = this.#parts.arrivals.take(message);
    await this.#goOn();
    return arrival;
  }

  /** Does all that can be done now for what leaves. Rejects when some of it has to be tried again. */
  depart(): Promise<void> {
    const { book, departures, forward, now, onStored } = this.#parts;
    const due = book.departures().filter((move) => (departures.dueAt(move) ?? 0) <= now());
    return this.#work([
      () => forward.tellReports(),
      ...due.map((move) => () => departures.run(move.moveId).finally(onStored)),
    ]);
  }

  /** The same for what comes: by itself, since what leaves may wait for a minute, and the requests of these are held. */
  arrive(): Promise<void> {
    const { book, arrivals } = this.#parts;
    return this.#work(book.arrivals().map((arrival) => () => this.#arrive(arrival, arrivals)));
  }

  async #work(tasks: readonly (() => Promise<void>)[]): Promise<void> {
    await this.#watch();
    const failed = await inParallel(tasks, AT_ONCE);
    await this.#watch();
    if (failed.length > 0) throw failed[0];
  }

  /** When there is something to do; undefined when nothing is under way. */
  nextDue(): number | undefined {
    const { book, departures, now } = this.#parts;
    if (!book.isBusy) return undefined;
    const times = [
      ...book.departures().flatMap((move) => departures.dueAt(move) ?? []),
      ...book.arrivals().map(({ state, beganAt }) => beganAt + (state === 'owns' ? 0 : SILENCE_MS)),
    ];
    return Math.max(Math.min(...times), now() + WATCH_MS);
  }

  /** The object was built, or its alarm rang. */
  wake(): void {
    const { book, baggage, onWork } = this.#parts;
    if (book.isBusy || baggage.hasReports) onWork();
  }

  /** The orchestrator asks for what a customer sent. Throws `Failure('not_found')` when it is not to deliver it. */
  handOut(receiptId: string): void {
    const { book, hands, receipts } = this.#parts;
    if (book.isBusy) {
      const siteId = receipts.find(receiptId)?.receipt.siteId ?? '';
      if (book.isHeld(siteId))
        throw new Failure(
          'not_found',
          'the site is being moved: this is delivered elsewhere, or asked for again',
        );
    }
    hands.give(receiptId);
  }

  /** The orchestrator has told what became of an attempt. */
  reported(report: ReceiptReport): void {
    const { hands, baggage, onWork } = this.#parts;
    hands.back(report.receiptId);
    if (report.state === 'delivered' && baggage.reported(report)) onWork();
  }

  /** The orchestrator whose object has a receipt that was here. */
  whereIsReceipt(receiptId: string): string | undefined {
    return this.#targetOf(this.#parts.baggage.moveOf(receiptId));
  }

  /** Of a command that was here, and had never been sent. */
  whereIsCommand(commandId: string): string | undefined {
    return this.#targetOf(this.#parts.held.moveOf(commandId));
  }

  /** There may be a next step, to be made behind an answer. */
  async #goOn(): Promise<void> {
    this.wake();
    await this.#watch();
  }

  /** Has the alarm ring for what is under way: this instance may be lost with it. */
  async #watch(): Promise<void> {
    const next = this.nextDue();
    if (next !== undefined) await this.#parts.wakeAt(next);
  }

  #targetOf(moveId: string | undefined): string | undefined {
    const { book } = this.#parts;
    const move = moveId === undefined ? undefined : book.departure(moveId);
    return move?.movedAt === undefined ? undefined : move.target;
  }

  /** An object that was put back to before the move knows nothing of it, and will not end it. */
  async #ask(moveId: string, source: string): Promise<void> {
    const { ask, arrivals } = this.#parts;
    try {
      await ask(source, moveId);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'not_found') throw error;
      while (arrivals.take({ moveId, is: 'undo' }).more === true);
    }
  }

  async #arrive({ moveId, state, source, beganAt }: ArrivalRow, arrivals: Arrivals): Promise<void> {
    const { after, now, onStored } = this.#parts;
    if (state !== 'owns') {
      if (now() >= beganAt + SILENCE_MS) await this.#ask(moveId, source);
      return;
    }
    for (let done = false; !done; ) {
      done = arrivals.settle(moveId);
      onStored();
      const { promise, resolve } = Promise.withResolvers<void>();
      after(0, resolve);
      await promise;
    }
  }
}
