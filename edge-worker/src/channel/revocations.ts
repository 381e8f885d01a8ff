import { Failure, type Sql } from '@clawdbot/protocol';
import type { Connected } from './session.ts';

/**
 * A Worker may have read the key before it was revoked, and believe it: for 2 s, or for ten minutes while D1 does not
 * answer (data/keys.ts). So the object remembers it for longer than that, and no longer: D1 has the last word.
 */
const REMEMBERED_MS = 15 * 60_000;

export interface RevocationsParts {
  readonly sql: Sql;
  readonly sessions: () => readonly Connected[];
  readonly now: () => number;
}

/** Keys that were revoked a short while ago, and the sockets that were opened with them. */
export class Revocations {
  readonly #parts: RevocationsParts;

  constructor(parts: RevocationsParts) {
    this.#parts = parts;
  }

  /** Ends all sockets of this key, and lets none be opened with it. Safe to repeat. */
  cut(kid: string): void {
    const { sql, sessions, now } = this.#parts;
    sql.run(`DELETE FROM revoked_keys WHERE forget_at < ?`, now());
    sql.run(`INSERT OR REPLACE INTO revoked_keys VALUES (?, ?)`, kid, now() + REMEMBERED_MS);
    for (const { session } of sessions())
      if (session.state.kid === kid) session.close('revoked', `key ${kid}: enrol another`);
  }

  /** Throws `Failure('key_revoked')` for a key that was revoked while its token was on its way. */
  refuse(kid: string): void {
    const { sql, now } = this.#parts;
    if (sql.run(`SELECT 1 FROM revoked_keys WHERE kid = ? AND forget_at >= ?`, kid, now()).length > 0)
      throw new Failure('key_revoked', 'this key was revoked: enrol the orchestrator again');
  }
}
