import { once } from 'node:events';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { WebSocket } from 'ws';
import { AHEAD, type SenderEnv } from './contract.ts';
import { factOf } from './fact.ts';
import type { Path } from './path.ts';
import { Progress } from './progress.ts';

/**
 * The least that writes the same rows on both sides: no schemas, no log, no frames. Each group is one statement a
 * table in one transaction here, one message, and one statement there; its acknowledgement is a number.
 */
export class Bare implements Path {
  readonly acked = new Progress();
  readonly #siteId: string;
  readonly #db: Sqlite.Database;
  readonly #commit: (rows: string, at: number) => void;
  readonly #socket: WebSocket;
  #last = 0;

  constructor({ DATA_DIR, BARE_URL, SITE_ID }: SenderEnv) {
    this.#siteId = SITE_ID;
    this.#db = new Sqlite(join(DATA_DIR, 'bare.db'));
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(
      `CREATE TABLE outbox (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
       CREATE TABLE events (
         position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, seq INTEGER, type TEXT NOT NULL,
         site_id TEXT NOT NULL, data TEXT NOT NULL, created_at INTEGER NOT NULL)`,
    );
    this.#commit = this.#prepare();
    this.#socket = new WebSocket(BARE_URL, { perMessageDeflate: false });
    this.#socket.on('message', (text) => this.acked.moveTo(Number(text)));
  }

  async connect(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) await once(this.#socket, 'open');
  }

  write(events: number): number {
    const at = Date.now();
    const createdAt = new Date(at).toISOString();
    const rows = Array.from({ length: events }, (_, n) => {
      const { type, siteId, data } = factOf(this.#siteId, n);
      const seq = this.#last + 1 + n;
      return [`evt_${seq}`, seq, siteId, type, JSON.stringify(data), createdAt];
    });
    const text = JSON.stringify(rows);
    this.#commit(text, at);
    this.#last += events;
    this.#socket.send(`${this.#last} ${text}`);
    if (this.#last - this.acked.position > 2 * AHEAD) throw new Error('the bare loop ran ahead');
    return this.#last;
  }

  async close(): Promise<void> {
    this.#socket.terminate();
    this.#db.close();
  }

  #prepare(): (rows: string, at: number) => void {
    const entries = this.#db.prepare(`INSERT INTO outbox SELECT value ->> 1, ?, value FROM json_each(?)`);
    const events = this.#db.prepare(
      `INSERT INTO events (id, seq, type, site_id, data, created_at)
         SELECT value ->> 0, value ->> 1, value ->> 3, value ->> 2, value ->> 4, ? FROM json_each(?)`,
    );
    return this.#db.transaction((rows: string, at: number) => {
      entries.run(at, rows);
      events.run(at, rows);
    }).immediate;
  }
}
