import { Failure, type Sql } from '@clawdbot/protocol';
import type { After } from '../liveness.ts';
import type { Departure, MoveBook } from './book.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';

export interface PassageParts {
  readonly sql: Sql;
  readonly book: MoveBook;
  readonly after: After;
  /** Some move is further than it was. May be said inside a transaction. */
  readonly onStep: () => void;
  /** Says it to the object of that orchestrator. Rejects with `Failure`. */
  readonly tell: (orchestratorId: string, message: ArrivalMessage) => Promise<Arrival>;
}

type Unnamed<M> = M extends unknown ? Omit<M, 'moveId'> : never;

/** The move was cancelled while one of its steps was under way: the step ends here. */
export class Recalled extends Error {}

/** What all steps of a departure do: speak to the new object, wait, and go on to the next state. */
export class Passage {
  readonly #parts: PassageParts;

  constructor(parts: PassageParts) {
    this.#parts = parts;
  }

  /** Before the new object owns the site. Throws when it knows nothing of the move, `Recalled` when that was cancelled. */
  async tell(move: Departure, message: Unnamed<ArrivalMessage>): Promise<Arrival> {
    this.#refuseRecalled(move);
    const arrival = await this.ask(move, message);
    this.#refuseRecalled(move);
    if (arrival.state === 'undone' || arrival.state === 'undoing') throw new LetGo(move);
    return arrival;
  }

  /** The same, whatever has become of the move. */
  ask({ moveId, target }: Departure, message: Unnamed<ArrivalMessage>): Promise<Arrival> {
    return this.#parts.tell(target, { moveId, ...message } as ArrivalMessage);
  }

  /**
   * Goes on from the state in which a step began, with what the step brings, in one transaction.
   * @returns whether it does; not if the move was cancelled meanwhile: then nothing was written
   */
  to(move: Departure, state: Departure['state'], { reason, bring }: Step = {}): boolean {
    const { sql, book, onStep } = this.#parts;
    return sql.transaction(() => {
      if (!book.set(move, state, reason)) return false;
      bring?.();
      book.changed();
      onStep();
      return true;
    });
  }

  wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#parts.after(ms, resolve);
    return promise;
  }

  #refuseRecalled({ moveId, state }: Departure): void {
    if (this.#parts.book.departure(moveId)?.state !== state) throw new Recalled();
  }
}

interface Step {
  readonly reason?: string;
  readonly bring?: () => void;
}

/** The new object knows nothing of the move any more. */
export class LetGo extends Failure {
  constructor({ target }: Departure) {
    super('conflict', `${target} has let go of what was brought there`);
  }
}

export const moving = (why: string) =>
  new Failure('site_moving', `${why}: try again`, { retryAfterMs: 1_000 });
