import { Failure, type Sql } from '@clawdbot/protocol';
import type { Blobs } from '../blobs.ts';
import type { Commands } from '../commands.ts';
import type { Configs } from '../configs.ts';
import type { Control } from '../control.ts';
import type { Intake } from '../intake.ts';
import type { Stale } from '../stale.ts';
import type { Meta } from '../store.ts';
import type { Answers } from './answers.ts';
import type { Baggage } from './baggage.ts';
import type { ArrivalRow, MoveBook } from './book.ts';
import type { Cargo } from './cargo.ts';
import type { HeldCommands } from './held-commands.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';

export interface ArrivalsParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly book: MoveBook;
  readonly baggage: Baggage;
  readonly configs: Configs;
  readonly commands: Pick<Commands, 'get'>;
  readonly control: Pick<Control, 'sendConfig' | 'removeSite' | 'takeOver'>;
  readonly cargo: Pick<Cargo, 'put' | 'drop'>;
  readonly answers: Pick<Answers, 'put'>;
  readonly held: Pick<HeldCommands, 'keep' | 'own' | 'letGo' | 'drop'>;
  readonly blobs: Pick<Blobs, 'putPart'>;
  readonly stale: Pick<Stale, 'removeSite'>;
  readonly intake: Pick<Intake, 'letGo'>;
  readonly receipts: { report(report: Extract<ArrivalMessage, { is: 'reports' }>['reports'][number]): void };
}

/** Entries written in one transaction: a customer's request does not wait longer than that for its turn. */
const LET_GO_PER_STEP = 200;

type Of<K extends ArrivalMessage['is']> = Extract<ArrivalMessage, { is: K }>;

/** Takes sites in. The object that has one leads; each of its messages may come more than once. */
export class Arrivals {
  readonly #parts: ArrivalsParts;

  constructor(parts: ArrivalsParts) {
    this.#parts = parts;
  }

  /** In one transaction. Throws `Failure`. */
  take(message: ArrivalMessage): Arrival {
    const { sql, book } = this.#parts;
    const arrival = sql.transaction(() => this.#take(message));
    book.changed();
    return arrival;
  }

  #take(message: ArrivalMessage): Arrival {
    if (message.is === 'offer') return this.#offer(message);
    const known = this.#parts.book.arrival(message.moveId);
    // The offer never came, or this object was put back to before it: there is nothing of the move here.
    if (known === undefined) return { state: 'undone', config: 'none' };
    if (message.is === 'undo') return this.#undo(known);
    if (known.state === 'undoing' || known.state === 'undone') return standing(known);
    return this.#bring(message, known);
  }

  /** What is brought may come twice, and late: a row that is here is written once more, and nothing else happens. */
  #bring(message: Exclude<ArrivalMessage, Of<'offer' | 'undo'>>, known: ArrivalRow): Arrival {
    const { book, cargo, answers, held, blobs } = this.#parts;
    const { moveId, siteId } = known;
    const isOurs = known.state !== 'preparing';
    switch (message.is) {
      case 'rows':
        if (!isOurs) cargo.put(message.table, message.rows);
        if (message.table === 'secrets') this.#countSecrets(message);
        return standing(known);
      case 'answers':
        if (!isOurs) answers.put(message.answers);
        return standing(known);
      case 'command':
        if (!isOurs) held.keep(message.packed, moveId, siteId);
        return standing(known);
      case 'blob':
        if (!isOurs) blobs.putPart(message.commandId, message);
        return standing(known);
      case 'workers':
        if (!isOurs) book.setWorkers(moveId, message.workers);
        return standing(known);
      case 'receipts':
        return this.#receipts(message, known);
      case 'config':
        return this.#config(known);
      case 'own':
        return this.#own(known);
      case 'reports':
        for (const report of message.reports) this.#parts.receipts.report(report);
        return standing(known);
    }
  }

  /** The last ones come when the site is owned already: those are let go of, too. */
  #receipts({ receipts }: Of<'receipts'>, known: ArrivalRow): Arrival {
    const { baggage, book } = this.#parts;
    for (const packed of receipts) baggage.unpack(packed, known.source);
    if (known.state !== 'here') return standing(known);
    book.setArrival(known.moveId, 'owns');
    return { state: 'owns', config: 'none' };
  }

  #own(known: ArrivalRow): Arrival {
    const { book, held } = this.#parts;
    if (known.state !== 'preparing') return standing(known);
    book.setArrival(known.moveId, 'owns');
    held.own(known);
    return standing({ state: 'owns' });
  }

  #offer({ moveId, siteId, orgId, paused, ...offer }: Of<'offer'>): Arrival {
    const { meta, book, configs } = this.#parts;
    const known = book.arrival(moveId);
    if (known !== undefined) return standing(known);
    const org = meta.text('org');
    if (org !== undefined && org !== orgId)
      throw new Failure('forbidden', 'the orchestrator is another organisation’s');
    if (configs.find(siteId) !== undefined)
      throw new Failure('conflict', `the orchestrator has a site "${siteId}" already`);
    const leaving = book.departureOf(siteId);
    if (leaving?.state === 'moved') throw stillLeaving();
    // What is left of its last leave is not to be done any more.
    if (leaving?.state === 'following') book.set(leaving, 'done');
    meta.set('org', orgId);
    configs.put(siteId, paused);
    book.arrive({ moveId, siteId, ...offer });
    return { state: 'preparing', config: 'none' };
  }

  /** A secret's version must go on rising, for whoever keeps one by it. */
  #countSecrets({ rows }: Of<'rows'>): void {
    const { meta } = this.#parts;
    const highest = Math.max(...rows.map((row) => Number(row['version'])));
    if (highest > meta.number('secret_version')) meta.set('secret_version', highest);
  }

  #config(known: ArrivalRow): Arrival {
    const { generation, commandId } = known;
    const { commands } = this.#parts;
    if (generation === 0) return standing(known);
    if (commandId === undefined) return this.#sendConfig(known);
    const { state, error, reason } = commands.get(commandId);
    if (state === 'succeeded') return { ...standing(known), config: 'applied' };
    if (state === 'queued' || state === 'delivered' || state === 'running')
      return { ...standing(known), config: 'waits' };
    return { ...standing(known), config: 'failed', reason: error?.message ?? reason ?? state };
  }

  /** First what ran, if that is another generation: that must run here, too. The desired one may be refused again. */
  #sendConfig(known: ArrivalRow): Arrival {
    const { moveId, siteId, generation, runs, actor } = known;
    const { book, configs, control } = this.#parts;
    configs.point(siteId, generation);
    const ran = runs > 0 && runs < generation ? control.sendConfig(siteId, runs, actor) : undefined;
    const desired = control.sendConfig(siteId, generation, actor);
    const sent = ran ?? desired;
    // It was refused too often to be sent anywhere, and nothing else has run.
    if (sent === undefined) return { ...standing(known), config: 'none' };
    book.setCommand(moveId, sent);
    return { ...standing(known), config: 'waits' };
  }

  /**
   * Decided with the first of these, whoever says it: from then on the site cannot be owned here. What was brought goes in
   * steps.
   */
  #undo({ moveId, siteId, state }: ArrivalRow): Arrival {
    if (state !== 'preparing' && state !== 'undoing') return standing({ state });
    const { baggage, book, cargo, control, held, stale } = this.#parts;
    book.setArrival(moveId, 'undoing');
    const next = baggage.drop(siteId, '');
    if (next !== null) return { state: 'undoing', config: 'none', more: true };
    held.drop(moveId);
    cargo.drop(siteId);
    stale.removeSite(siteId);
    control.removeSite(siteId);
    book.setArrival(moveId, 'undone');
    return { state: 'undone', config: 'none' };
  }

  /**
   * What came along gets its entries, oldest first; then the site is here like any other, and its orchestrator takes over
   * the Workers that the one before has deployed. One step. @returns whether it is
   */
  settle(moveId: string): boolean {
    const { sql, book, intake } = this.#parts;
    const known = book.arrival(moveId);
    if (known?.state !== 'owns') return true;
    const done = sql.transaction(() => {
      const written = intake.letGo(known.siteId, LET_GO_PER_STEP);
      if (written === LET_GO_PER_STEP) return false;
      this.#command(known);
      book.setArrival(moveId, 'here');
      return true;
    });
    book.changed();
    return done;
  }

  /** First what takes the Workers over: a command that came along may be a newer version of one. */
  #command({ moveId, siteId, actor, workers }: ArrivalRow): void {
    const { book, control, held } = this.#parts;
    for (const worker of workers) control.takeOver(siteId, worker, actor);
    book.setWorkers(moveId, []);
    held.letGo(moveId);
  }
}

const standing = ({ state }: Pick<ArrivalRow, 'state'>): Arrival => ({ state, config: 'none' });

const stillLeaving = () =>
  new Failure('site_moving', 'what is left of the site’s last move is still being put away: try again', {
    retryAfterMs: 2_000,
  });
