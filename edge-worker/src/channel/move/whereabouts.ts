import { type Answer, answer } from '../answer.ts';
import type { ChannelRpc } from '../rpc.ts';
import type { MoveBook } from './book.ts';
import type { Moves } from './moves.ts';
import { moving } from './passage.ts';

interface WhereaboutsParts {
  readonly book: MoveBook;
  readonly moves: Pick<Moves, 'whereIsReceipt' | 'whereIsCommand'>;
}

type Here<T> = () => T | Promise<T>;
type There<T> = (object: ChannelRpc) => Promise<Answer<T>>;

/** Does what is asked where its site is: here, or at the object to which that was moved. */
export class Whereabouts {
  readonly #parts: WhereaboutsParts;
  /** Lane 0's object of an orchestrator. */
  readonly #object: (orchestratorId: string) => ChannelRpc;

  constructor(parts: WhereaboutsParts, object: (orchestratorId: string) => ChannelRpc) {
    this.#parts = parts;
    this.#object = object;
  }

  /** Is it here, and no move of it under way? Asked with every request. */
  isSettled(siteId: string): boolean {
    const { book } = this.#parts;
    return !book.isLeaving(siteId) && book.elsewhere(siteId) === undefined;
  }

  /** While it is being decided where the site is, this waits. */
  atSite<T>(siteId: string | undefined, here: Here<T>, there: There<T>): Promise<Answer<T>> {
    const { book } = this.#parts;
    if (siteId === undefined) return answer(here);
    const gate = book.gate(siteId);
    if (gate !== undefined) return gate.then(() => this.atSite(siteId, here, there));
    const elsewhere = book.elsewhere(siteId);
    return elsewhere === undefined ? answer(here) : there(this.#object(elsewhere));
  }

  /** The same, for what changes the site: not while it is leaving. */
  edit<T>(siteId: string, here: Here<T>, there: There<T>): Promise<Answer<T>> {
    const settled = () => {
      this.refuseLeaving(siteId);
      return here();
    };
    return this.atSite(siteId, settled, there);
  }

  /** A receipt's id names the object that took the request; it may have gone along with its site. */
  atReceipt<T>(id: string, here: Here<T>, there: There<T>): Promise<Answer<T>> {
    const elsewhere = this.#parts.moves.whereIsReceipt(id);
    return elsewhere === undefined ? answer(here) : there(this.#object(elsewhere));
  }

  /** The same of a command, which went along if it had never been sent. */
  atCommand<T>(id: string, here: Here<T>, there: There<T>): Promise<Answer<T>> {
    const elsewhere = this.#parts.moves.whereIsCommand(id);
    return elsewhere === undefined ? answer(here) : there(this.#object(elsewhere));
  }

  /** What was never sent cannot be changed while it is on its way. Throws `Failure('site_moving')`. */
  refuseHeld(siteId: string): void {
    if (this.#parts.book.isHeld(siteId)) throw moving('the site is being moved to another orchestrator');
  }

  /** Throws `Failure('site_moving')`. */
  refuseLeaving(siteId: string): void {
    if (this.#parts.book.isLeaving(siteId)) throw moving('the site is being moved to another orchestrator');
  }

  /** At all objects that have sites which were here. */
  async everywhereElse(ask: (object: ChannelRpc) => Promise<void>): Promise<void> {
    await Promise.all([...this.#parts.book.successors].map((id) => ask(this.#object(id))));
  }
}
