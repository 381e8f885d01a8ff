import { Failure, type Sql } from '@clawdbot/protocol';
import type { Commands } from '../commands.ts';
import type { Configs } from '../configs.ts';
import type { Control } from '../control.ts';
import type { Intake } from '../intake.ts';
import type { Meta } from '../store.ts';
import type { Baggage } from './baggage.ts';
import type { ArrivalRow, MoveBook } from './book.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';

export interface ArrivalsParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly book: MoveBook;
  readonly baggage: Baggage;
  readonly configs: Configs;
  readonly commands: Pick<Commands, 'get'>;
  readonly control: Pick<Control, 'sendConfig' | 'removeSite'>;
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
    if (known.state === 'undone') return standing(known);
    switch (message.is) {
      case 'rows':
        this.#parts.baggage.putRows(message.table, message.rows);
        if (message.table === 'secrets') this.#countSecrets(message);
        return standing(known);
      case 'receipts':
        for (const packed of message.receipts) this.#parts.baggage.unpack(packed, known.source);
        return standing(known);
      case 'config':
        return this.#config(known);
      case 'own':
        if (known.state === 'preparing') this.#parts.book.setArrival(known.moveId, 'owns');
        return standing({ ...known, state: 'owns' });
      case 'reports':
        for (const report of message.reports) this.#parts.receipts.report(report);
        return standing(known);
      case 'undo':
        return this.#undo(known);
    }
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
    if (leaving?.state === 'following') book.set(leaving.moveId, 'done');
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

  #undo({ moveId, siteId, state }: ArrivalRow): Arrival {
    if (state !== 'preparing') return { state, config: 'none' };
    const { baggage, book, control } = this.#parts;
    const next = baggage.drop(siteId, '');
    if (next !== null) return { state, config: 'none', more: true };
    control.removeSite(siteId);
    book.setArrival(moveId, 'undone');
    return { state: 'undone', config: 'none' };
  }

  /** What came along gets its entries, oldest first; then the site is here like any other. One step. @returns whether it is */
  settle(moveId: string): boolean {
    const { sql, book, intake } = this.#parts;
    const known = book.arrival(moveId);
    if (known?.state !== 'owns') return true;
    const done = sql.transaction(() => {
      const written = intake.letGo(known.siteId, LET_GO_PER_STEP);
      if (written === LET_GO_PER_STEP) return false;
      book.setArrival(moveId, 'here');
      return true;
    });
    book.changed();
    return done;
  }
}

const standing = ({ state }: Pick<ArrivalRow, 'state'>): Arrival => ({ state, config: 'none' });

const stillLeaving = () =>
  new Failure('site_moving', 'what is left of the site’s last move is still being put away: try again', {
    retryAfterMs: 2_000,
  });
