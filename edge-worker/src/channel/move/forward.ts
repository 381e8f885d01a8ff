import { Failure } from '@clawdbot/protocol';
import type { CommandQueue } from '../command-queue.ts';
import type { ConfigReports } from '../config-reports.ts';
import type { Configs } from '../configs.ts';
import type { Control } from '../control.ts';
import type { After } from '../liveness.ts';
import type { PresenceBook } from '../presence.ts';
import type { Receipts } from '../receipts.ts';
import type { Stale } from '../stale.ts';
import type { Baggage } from './baggage.ts';
import type { Departure, MoveBook } from './book.ts';
import type { Cargo } from './cargo.ts';
import type { Freight } from './freight.ts';
import type { Hands } from './hands.ts';
import type { HeldCommands } from './held-commands.ts';
import type { Ledger } from './ledger.ts';
import { LetGo, type Passage } from './passage.ts';
import type { KeptWorker } from './rpc.ts';

export interface ForwardParts {
  readonly orchestratorId: string;
  readonly orgId: () => string | undefined;
  readonly book: MoveBook;
  readonly passage: Passage;
  readonly freight: Freight;
  readonly cargo: Pick<Cargo, 'leave'>;
  readonly baggage: Baggage;
  readonly hands: Hands;
  readonly configs: Configs;
  readonly reports: Pick<ConfigReports, 'ran'>;
  readonly commandQueue: Pick<CommandQueue, 'underWay'>;
  readonly held: Pick<HeldCommands, 'hold' | 'leave'>;
  readonly control: Pick<Control, 'leave' | 'forgetSite'>;
  readonly receipts: Pick<Receipts, 'find'>;
  readonly stale: Pick<Stale, 'removeSite'>;
  readonly workers: (siteId: string) => readonly KeptWorker[];
  readonly presence: PresenceBook;
  readonly ledger: Pick<Ledger, 'follow'>;
  readonly now: () => number;
  readonly after: After;
  /** Some move is further than it was. May be said inside a transaction. */
  readonly onStep: () => void;
}

/** The new orchestrator has the config within milliseconds, or something is wrong with it; a deployment may take longer. */
export const PREPARE_MS = 60_000;
const LOOK_MS = 20;
/** What the orchestrator of before has on its way may end within this; what does not is repeated, under its key. */
const SETTLE_MS = 300;
/** Customers wait at the door for so long; then they are let in, and what they sent is taken along all the same. */
const GATE_MS = 2_000;
/** Isolates may send to the other lanes of the orchestrator of before for as long: directory and routes, ten seconds each. */
export const FOLLOW_MS = 30_000;

/** The steps that move a site away: each from its state to the next, and returns whether to go on at once. */
export class Forward {
  readonly #parts: ForwardParts;

  constructor(parts: ForwardParts) {
    this.#parts = parts;
  }

  /**
   * The new orchestrator gets the site's config, and its object what has ended. The site works as before.
   * @param until when the move gives up what it waits for
   */
  async prepare(move: Departure, until: number): Promise<boolean> {
    const { configs, reports, freight, passage, orgId, orchestratorId } = this.#parts;
    const { siteId, actor } = move;
    const { paused, generation } = configs.site(siteId);
    const own = { source: orchestratorId, orgId: orgId() ?? '', siteId, actor };
    const offer = { ...own, paused, generation, runs: reports.ran(siteId) ?? 0 };
    await passage.tell(move, { is: 'offer', ...offer });
    await freight.rows(move);
    await passage.tell(move, { is: 'config' });
    await freight.receipts(move, 'ended');
    await freight.answers(move);
    if (generation > 0) await this.#applied(move, until);
    do {
      await this.#idle(move, until);
      await freight.history(move);
    } while (!this.#hold(move));
    return true;
  }

  /** A config that the new VPS refuses would take the site down: better found now. */
  async #applied(move: Departure, until: number): Promise<void> {
    for (;;) {
      const { config, reason = '' } = await this.#parts.passage.tell(move, { is: 'config' });
      if (config === 'applied' || config === 'none') return;
      if (config === 'failed')
        throw new Failure('config_refused', `${move.target} does not take the site’s config: ${reason}`);
      this.#wants(move, until, `${move.target} has not applied the site’s config`);
      await this.#parts.passage.wait(LOOK_MS);
    }
  }

  /** What the orchestrator has of the site's commands may come to its end first. */
  async #idle(move: Departure, until: number): Promise<void> {
    const { passage, orchestratorId } = this.#parts;
    for (let [first] = this.#underWay(move); first !== undefined; [first] = this.#underWay(move)) {
      const what = `${first.id} (${first.type} ${first.subject})`;
      this.#wants(move, until, `${what} has not ended on ${orchestratorId}: wait for it, or cancel it`);
      await passage.wait(LOOK_MS);
      // Tells, too, whether the move still stands.
      await passage.tell(move, { is: 'config' });
    }
  }

  /** Of one that is away nobody knows when they end: they stay its own. */
  #underWay({ siteId }: Departure) {
    const { commandQueue, presence } = this.#parts;
    return presence.current.state === 'online' ? commandQueue.underWay(siteId) : [];
  }

  /** In the turn in which none is under way, what was never sent is held, and requests are. @returns whether that is so */
  #hold(move: Departure): boolean {
    const { book, held, passage } = this.#parts;
    const { moveId, siteId } = move;
    if (this.#underWay(move).length > 0) return false;
    passage.to(move, 'moving', {
      bring: () => book.count(moveId, 'commands', held.hold(siteId, moveId)),
    });
    return true;
  }

  /** Says what the move waits for, and gives up when it has waited for too long. */
  #wants(move: Departure, until: number, what: string): void {
    const { book, now, onStep } = this.#parts;
    if (now() > until) throw new Failure('conflict', what);
    if (book.say(move, what)) onStep();
  }

  /** Requests are stored and not sent from here on, and no command is. What is left of them goes aboard. */
  async load(move: Departure): Promise<boolean> {
    const { freight, passage } = this.#parts;
    await this.#settled(move);
    await freight.receipts(move, 'all');
    await freight.commands(move);
    passage.to(move, 'committing');
    return true;
  }

  /** What the orchestrator of before has in hand may come to its end. */
  async #settled({ siteId, heldAt = 0 }: Departure): Promise<void> {
    const { hands, receipts, presence, passage, now } = this.#parts;
    const isOurs = (id: string) => receipts.find(id)?.receipt.siteId === siteId;
    while (presence.current.state === 'online' && now() < heldAt + SETTLE_MS && hands.all.some(isOurs))
      await passage.wait(LOOK_MS / 4);
  }

  /**
   * The new object owns the site from somewhere in here on. Requests that come meanwhile wait at the door; those that
   * are in the house are stored, and taken along.
   */
  async commit(move: Departure): Promise<boolean> {
    const { book, after, passage, freight } = this.#parts;
    const open = book.shut(move.siteId);
    const cancel = after(GATE_MS, open);
    try {
      await freight.held(move);
      await this.#tellReports(move);
      const { state } = await passage.ask(move, { is: 'own' });
      if (state === 'undone' || state === 'undoing') this.#letGone(move);
      else {
        do await freight.held(move);
        while (!this.#handOver(move));
      }
    } catch (error) {
      if (!(error instanceof LetGo)) throw error;
      this.#letGone(move);
    } finally {
      cancel();
      open();
    }
    return true;
  }

  /** The new object has lost the site, or was told to let go of it by whoever has cancelled the move. */
  #letGone(move: Departure): void {
    const { book, passage } = this.#parts;
    const { reason = new LetGo(move).message } = book.departure(move.moveId) ?? {};
    passage.to(move, 'undoing', { reason });
  }

  /** In the turn in which nothing is left here. @returns false when something is */
  #handOver(move: Departure): boolean {
    const { baggage, cargo, control, held, stale, passage, book, workers } = this.#parts;
    const { siteId, moveId, target } = move;
    if (baggage.held(siteId, moveId).length > 0) return false;
    passage.to(move, 'moved', {
      bring: () => {
        book.count(moveId, 'workers', workers(siteId).length);
        held.leave(moveId);
        cargo.leave(siteId);
        control.leave(siteId, target);
        stale.removeSite(siteId);
      },
    });
    return true;
  }

  /** D1 follows, and what is elsewhere now goes from here. */
  async follow(move: Departure): Promise<boolean> {
    const { baggage, ledger, passage } = this.#parts;
    await ledger.follow(move);
    for (let after: string | null = ''; after !== null; ) {
      after = baggage.drop(move.siteId, after);
      await passage.wait(0);
    }
    passage.to(move, 'following');
    return true;
  }

  /** Nobody asks here any more: the orchestrator of before may forget the site. */
  async leave(move: Departure): Promise<boolean> {
    const { control, passage, now } = this.#parts;
    if (now() < move.changedAt + FOLLOW_MS) return false;
    passage.to(move, 'done', { bring: () => control.forgetSite(move.siteId, move.target) });
    return false;
  }

  /** Tells what the orchestrator of before has delivered, to those who have the receipts. */
  async tellReports(): Promise<void> {
    const { book, baggage, passage } = this.#parts;
    for (let batches = baggage.reports(); batches.length > 0; batches = baggage.reports()) {
      for (const { moveId, reports } of batches) {
        const move = book.departure(moveId);
        if (move !== undefined) await passage.ask(move, { is: 'reports', reports });
        baggage.told(reports);
      }
    }
  }

  async #tellReports(move: Departure): Promise<void> {
    const { baggage, passage } = this.#parts;
    for (const batch of baggage.reports().filter((reported) => reported.moveId === move.moveId)) {
      await passage.ask(move, { is: 'reports', reports: batch.reports });
      baggage.told(batch.reports);
    }
  }
}
