import type { Sql } from '@clawdbot/protocol';
import type { Blobs } from '../blobs.ts';
import type { Answers } from './answers.ts';
import type { Baggage } from './baggage.ts';
import type { Departure, MoveBook } from './book.ts';
import type { Cargo } from './cargo.ts';
import type { HeldCommands } from './held-commands.ts';
import type { Passage } from './passage.ts';
import type { CargoTable, KeptWorker } from './rpc.ts';

export interface FreightParts {
  readonly sql: Sql;
  readonly book: MoveBook;
  readonly passage: Passage;
  readonly baggage: Baggage;
  readonly cargo: Pick<Cargo, 'pages'>;
  readonly commands: Pick<HeldCommands, 'pack'>;
  readonly blobs: Pick<Blobs, 'partsOf'>;
  readonly answers: Pick<Answers, 'pages'>;
  /** The Workers of a site as its orchestrator has deployed them. */
  readonly workers: (siteId: string) => readonly KeptWorker[];
  /** Who waits for an answer to them gets the receipt: it will not be given here any more. */
  readonly onAboard: (receiptIds: readonly string[]) => void;
}

/** What changes no more while the site is leaving, but for what its orchestrator tells of commands: those follow. */
const TABLES: readonly CargoTable[] = ['configs', 'secrets', 'worker_vars'];
const LATE_TABLES: readonly CargoTable[] = ['deployments', 'commands'];

/** Brings to the new object what a site takes along, in messages that may all come twice. */
export class Freight {
  readonly #parts: FreightParts;

  constructor(parts: FreightParts) {
    this.#parts = parts;
  }

  rows(move: Departure): Promise<void> {
    return this.#rows(move, TABLES);
  }

  async #rows(move: Departure, tables: readonly CargoTable[]): Promise<void> {
    const { cargo, passage } = this.#parts;
    for (const table of tables)
      for (const rows of cargo.pages(table, move.siteId))
        await passage.tell(move, { is: 'rows', table, rows });
  }

  /** The newest ones; those that are renewed while the site still works here are kept anew there. */
  async answers(move: Departure): Promise<void> {
    const { answers, passage } = this.#parts;
    for (const page of answers.pages(move.siteId)) await passage.tell(move, { is: 'answers', answers: page });
  }

  /** Commands that have ended, since a repeat under a key of theirs must not be a second one there; and what they have deployed. */
  async history(move: Departure): Promise<void> {
    const { passage, workers } = this.#parts;
    await this.#rows(move, LATE_TABLES);
    const known = workers(move.siteId);
    if (known.length > 0) await passage.tell(move, { is: 'workers', workers: known });
  }

  /** What never left. */
  async commands(move: Departure): Promise<void> {
    const { commands, blobs, passage } = this.#parts;
    for (const packed of commands.pack(move.moveId)) {
      const { commandId } = packed;
      await passage.tell(move, { is: 'command', packed });
      for (const part of blobs.partsOf(commandId))
        await passage.tell(move, { is: 'blob', commandId, ...part });
    }
  }

  async receipts(move: Departure, only: 'ended' | 'all'): Promise<void> {
    const { baggage, passage } = this.#parts;
    for (let after: string | null = ''; after !== null; ) {
      const { ids, next } = baggage.look(move.siteId, move.moveId, after, only);
      for (let left = ids; left.length > 0; ) left = left.slice(await this.#send(move, left));
      after = next;
      await passage.wait(0);
    }
  }

  /** Those that were stored while nothing was sent. */
  async held(move: Departure): Promise<void> {
    const { baggage } = this.#parts;
    const held = () => baggage.held(move.siteId, move.moveId);
    for (let ids = held(); ids.length > 0; ids = held()) await this.#send(move, ids);
  }

  /** One message. @returns how many of the ids it had */
  async #send(move: Departure, ids: readonly string[]): Promise<number> {
    const { sql, baggage, book, passage, onAboard } = this.#parts;
    const packed = sql.transaction(() => baggage.pack(ids, move.moveId));
    if (packed.length === 0) return ids.length;
    await passage.tell(move, { is: 'receipts', receipts: packed });
    sql.transaction(() => {
      baggage.aboard(packed);
      book.count(move.moveId, 'receipts', packed.length);
    });
    onAboard(packed.map(({ receipt }) => String(receipt['id'])));
    return packed.length;
  }
}
