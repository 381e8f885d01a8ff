import { queried } from '../../data/query.ts';
import type { Departure } from './book.ts';
import { moveOf } from './shown.ts';

export interface LedgerParts {
  readonly db: D1Database;
  readonly orchestratorId: string;
  readonly orgId: () => string | undefined;
}

const NOTE = `
  INSERT INTO orc_moves (id, org_id, site_id, source, target, state, reason, receipts, paused_ms, created_by, created_at,
    updated_at, commands, workers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
  ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason, receipts = excluded.receipts,
    paused_ms = excluded.paused_ms, commands = excluded.commands, workers = excluded.workers, updated_at = excluded.updated_at
  WHERE excluded.updated_at >= orc_moves.updated_at`;

/** Only from here: a site that was moved on since is somewhere else. */
const FOLLOW = `UPDATE orc_sites SET orchestrator_id = ?1 WHERE id = ?2 AND org_id = ?3 AND orchestrator_id = ?4`;

const EVENT = `
  INSERT INTO orc_events (id, org_id, orchestrator_id, site_id, type, data, created_at, received_at)
  VALUES (?1, ?2, ?3, ?4, 'config_change', ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING`;

/** What D1 is told of moves: where a site is, and that it was moved. Each statement may be repeated. */
export class Ledger {
  readonly #parts: LedgerParts;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** How far a move is; of one that was undone, why, to those who look for what has happened. */
  async note(move: Departure): Promise<void> {
    const told = move.state === 'undone' ? [this.#event(move)] : [];
    await queried(this.#parts.db.batch([this.#note(move), ...told]));
  }

  /** The site is on its new orchestrator. */
  async follow(move: Departure): Promise<void> {
    const { db, orchestratorId } = this.#parts;
    const moved = { ...move, state: 'following' } as const;
    const site = db.prepare(FOLLOW).bind(move.target, move.siteId, this.#org, orchestratorId);
    await queried(db.batch([site, this.#note(moved), this.#event(moved)]));
  }

  #note(move: Departure): D1PreparedStatement {
    const { db, orchestratorId } = this.#parts;
    const shown = moveOf(move, orchestratorId);
    const { id, siteId, from, to, state, reason, receipts, pausedMs, createdBy, createdAt, updatedAt } =
      shown;
    return db
      .prepare(NOTE)
      .bind(
        ...[id, this.#org, siteId, from, to, state, reason ?? null, receipts, pausedMs ?? null],
        ...[createdBy, createdAt, updatedAt, shown.commands, shown.workers],
      );
  }

  #event(move: Departure): D1PreparedStatement {
    const { db, orchestratorId } = this.#parts;
    const { id, siteId, from, to, state, reason, pausedMs } = moveOf(move, orchestratorId);
    const data = {
      ...{ status: state, name: `${from} → ${to}`, moveId: id },
      ...(reason === undefined ? {} : { error: reason }),
      ...(pausedMs === undefined ? {} : { pausedMs }),
    };
    const at = move.changedAt;
    return db
      .prepare(EVENT)
      .bind(
        ...[`evt_${id.split('_').at(-1)}`, this.#org, orchestratorId, siteId, JSON.stringify(data)],
        ...[new Date(at).toISOString(), at],
      );
  }

  get #org(): string {
    return this.#parts.orgId() ?? '';
  }
}
