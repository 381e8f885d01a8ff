import { int, type Sql, text } from '@clawdbot/protocol';
import { type HubUpdate, hubUpdate } from './rpc.ts';

/** An orchestrator as dashboards are told of it. */
export interface Shown {
  readonly id: string;
  readonly presence: HubUpdate['presence'];
  readonly status?: HubUpdate['status'];
}

/** The latest of each orchestrator, and a position that counts changes; both survive hibernation. */
export class Book {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.run(
      `CREATE TABLE IF NOT EXISTS latest (
         id TEXT PRIMARY KEY, at INTEGER NOT NULL, shown TEXT NOT NULL) WITHOUT ROWID`,
    );
    sql.run(
      `CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL)`,
    );
    sql.run(`INSERT OR IGNORE INTO place VALUES (1, 0)`);
  }

  get position(): number {
    return int(this.#sql.run(`SELECT position FROM place`)[0], 'position');
  }

  /** @returns whether it was news: one older than what is known is not. */
  note({ orchestratorId: id, at, presence, status }: HubUpdate): boolean {
    return this.#sql.transaction(() => {
      const [known] = this.#sql.run(`SELECT at, shown FROM latest WHERE id = ?`, id);
      if (known !== undefined && int(known, 'at') > at) return false;
      const kept = status ?? (known === undefined ? undefined : shownOf(id, text(known, 'shown')).status);
      const shown = JSON.stringify({ presence, ...(kept === undefined ? {} : { status: kept }) });
      if (known !== undefined && text(known, 'shown') === shown) return false;
      this.#sql.run(`INSERT OR REPLACE INTO latest (id, at, shown) VALUES (?, ?, ?)`, id, at, shown);
      this.#sql.run(`UPDATE place SET position = position + 1`);
      return true;
    });
  }

  /** Those named, whether heard of or not. */
  show(ids: Iterable<string>): Shown[] {
    return [...ids].map((id) => {
      const [known] = this.#sql.run(`SELECT shown FROM latest WHERE id = ?`, id);
      return known === undefined ? { id, presence: { state: 'never' } } : shownOf(id, text(known, 'shown'));
    });
  }
}

const stored = hubUpdate.pick({ presence: true, status: true });

function shownOf(id: string, json: string): Shown {
  return { id, ...stored.parse(JSON.parse(json)) };
}
