import type { Intake } from '../intake.ts';
import type { Baggage } from './baggage.ts';
import type { Departure } from './book.ts';
import type { HeldCommands } from './held-commands.ts';
import type { Ledger } from './ledger.ts';
import type { Passage } from './passage.ts';

export interface BackParts {
  readonly passage: Passage;
  readonly baggage: Baggage;
  readonly held: Pick<HeldCommands, 'letGo'>;
  readonly intake: Pick<Intake, 'letGo'>;
  readonly ledger: Ledger;
}

const LET_GO_PER_STEP = 200;

/** The steps that take a site back: the other way from each state in which the new object does not own it yet. */
export class Back {
  readonly #parts: BackParts;

  constructor(parts: BackParts) {
    this.#parts = parts;
  }

  /** The new object lets go of it, and what was held is sent from here. If it owns the site, the move goes on instead. */
  async undo(move: Departure): Promise<boolean> {
    const { passage, baggage } = this.#parts;
    for (let more = true; more; ) {
      const arrival = await passage.ask(move, { is: 'undo' });
      if (arrival.state === 'owns' || arrival.state === 'here') return passage.to(move, 'committing');
      more = arrival.more === true;
    }
    if (move.heldAt !== undefined) {
      const reason = `the site’s move to ${move.target} was undone`;
      for (let after: string | null = ''; after !== null; ) {
        after = baggage.hold(move.siteId, after, reason);
        await passage.wait(0);
      }
    }
    while (!this.#letGo(move)) await passage.wait(0);
    return true;
  }

  /** One step; the commands go with the last one, since what waits for them is new. @returns whether nothing is held any more */
  #letGo(move: Departure): boolean {
    const { passage, held, intake, baggage } = this.#parts;
    const { siteId, moveId } = move;
    if (intake.letGo(siteId, LET_GO_PER_STEP) === LET_GO_PER_STEP) return false;
    return passage.to(move, 'undone', {
      bring: () => {
        held.letGo(moveId);
        baggage.unload(moveId);
      },
    });
  }

  async close(move: Departure): Promise<boolean> {
    await this.#parts.ledger.note(move);
    this.#parts.passage.to(move, 'closed');
    return false;
  }
}
