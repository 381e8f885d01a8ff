import type { Entry, Positions } from '../../frames/index.ts';
import { Inbox, type Received } from '../inbox.ts';
import type { InboxItem } from '../letter.ts';
import { int, type Sql, text } from '../sql.ts';
import { Backup } from './backup.ts';

/** How often handling an entry fails before it succeeds: most never do, some for good. */
function failuresOf(body: string): number {
  const number = Number(body.split(' ')[1]);
  if (number % 11 === 3) return Number.POSITIVE_INFINITY;
  return number % 7 === 2 ? 2 : 0;
}

/**
 * A receiver that writes what became of each entry into its own database: `handled`, `dropped` or `gone` (named as
 * unrecoverable). So a restored backup forgets it, as a real one would.
 */
export class Receiver {
  inbox: Inbox;
  readonly #sql: Sql;
  readonly #now: () => number;
  #backup: { readonly tables: Backup; readonly peerLogId: string | undefined } | undefined;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
    sql.run(`CREATE TABLE effects (n INTEGER PRIMARY KEY, body TEXT, fate TEXT, attempts INTEGER NOT NULL)`);
    this.inbox = new Inbox(sql, 'control');
  }

  reopen(): void {
    this.inbox = new Inbox(this.#sql, 'control');
  }

  follow(position: Pick<Positions, 'logId' | 'continues' | 'oldest'>, history: readonly string[]): void {
    const { unrecoverable } = this.inbox.follow(position);
    if (unrecoverable === undefined) return;
    for (const body of history.slice(unrecoverable.from - 1, unrecoverable.to)) this.#settle(body, 'gone', 1);
  }

  receive(
    entries: readonly Entry[],
    how: 'keep' | 'take',
    powerCutAt: number | undefined,
  ): Received | 'power cut' {
    const cut = powerCutAt === undefined ? this.#sql : interrupted(this.#sql, powerCutAt);
    try {
      const inbox = new Inbox(cut, 'control');
      return how === 'keep' ? inbox.receive(entries) : inbox.receive(entries, (items) => this.#take(items));
    } catch (error) {
      if (error instanceof PowerCut) return 'power cut';
      throw error;
    }
  }

  #take(items: readonly InboxItem[]): readonly InboxItem[] {
    const left = items.filter(({ seq }) => seq % 5 === 0);
    for (const item of items) {
      if (left.includes(item)) continue;
      if (failuresOf(item.body) > 0) throw new Error('one of these is poison');
      this.#settle(item.body, 'handled', 0);
    }
    return left;
  }

  handle(): void {
    for (const item of this.inbox.pending(7, this.#now())) {
      this.#sql.transaction(() => {
        if (item.attempts < failuresOf(item.body)) {
          this.inbox.failed(item, 'poison', this.#now());
          return;
        }
        this.#settle(item.body, 'handled', item.attempts);
        this.inbox.done(item);
      });
    }
  }

  replay(): void {
    const [letter] = this.inbox.letters(1);
    if (letter !== undefined) this.inbox.replay(letter);
  }

  drop(): void {
    const [letter] = this.inbox.letters(1);
    if (letter === undefined) return;
    this.#sql.transaction(() => {
      this.inbox.drop(letter);
      this.#settle(letter.body, 'dropped', letter.attempts);
    });
  }

  backUp(): void {
    const { peerLogId } = this.inbox.position();
    this.#backup = { tables: new Backup(this.#sql, 'receiver'), peerLogId };
  }

  /** Two disasters on top of one another may offer an entry twice, under its own id: restored is what knows the log. */
  restore({ logId, continues }: Pick<Positions, 'logId' | 'continues'>): void {
    const known = this.#backup?.peerLogId;
    if (known === undefined || (known !== logId && known !== continues?.logId)) return;
    this.#backup?.tables.restore(this.#sql);
    this.reopen();
  }

  /** How often each entry was settled: dead letters are, too. */
  fates(): Map<string, number> {
    const fates = new Map<string, number>();
    const settled = this.#sql.run(`SELECT body FROM effects`).map((row) => text(row, 'body'));
    const letters = this.inbox.letters(100_000).map(({ body }) => body);
    for (const body of [...settled, ...letters]) fates.set(body, (fates.get(body) ?? 0) + 1);
    return fates;
  }

  /** Bodies handled at their first attempt, in order. */
  firstAttempts(): string[] {
    return this.#sql
      .run(`SELECT body, attempts FROM effects WHERE fate = 'handled' ORDER BY n`)
      .filter((row) => int(row, 'attempts') === 0)
      .map((row) => text(row, 'body'));
  }

  #settle(body: string, fate: 'handled' | 'dropped' | 'gone', attempts: number): void {
    this.#sql.run(`INSERT INTO effects (body, fate, attempts) VALUES (?, ?, ?)`, body, fate, attempts);
  }
}

class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

/** Fails at the statement of that number, and at all behind it: nothing is written after a power cut. */
function interrupted(sql: Sql, statement: number): Sql {
  let left = statement;
  return {
    transaction: (work) => sql.transaction(work),
    run: (query, ...params) => {
      if (--left <= 0) throw new PowerCut('at a statement');
      return sql.run(query, ...params);
    },
  };
}
