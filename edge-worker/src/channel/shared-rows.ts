import { ENTRY_BYTES_MAX, edgeCodec, type Outbox, ProtocolError, type Sql } from '@clawdbot/protocol';
import { ZodError } from 'zod';
import { type SharedRow, SyncOutbox } from '../data/sync-outbox.ts';
import type { Meta } from './store.ts';

export interface SharedRowsParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly outbox: Pick<Outbox, 'appendAll' | 'depth'>;
  readonly orchestratorId: string;
  readonly orgId: () => string | undefined;
  readonly db: D1Database;
  readonly now: () => number;
  /** Entries were written: send them. */
  readonly onAppended: () => void;
}

/**
 * With so many entries waiting for the orchestrator, rows wait in D1: there only the latest state of each is kept,
 * and the log keeps its room for commands.
 */
const WAITING_MAX = 5_000;
/** Bodies in one statement, in characters: a bound parameter is at most 2 MB, and a character at most 4 bytes. */
const CHUNK_CHARACTERS = 400_000;

/**
 * Rows of the existing API's tables on their way from D1 into the orchestrator's log. The cursor moves in the
 * transaction that writes the entries, so each change is an entry once; the orchestrator keeps the latest by position.
 */
export class SharedRows {
  readonly #parts: SharedRowsParts;
  #held = false;
  /** The cursor that D1 was last told. */
  #noted = 0;

  constructor(parts: SharedRowsParts) {
    this.#parts = parts;
  }

  /** Moves all that D1 has into the log. Rejects when D1 fails or the log is full: try again later. */
  async drain(): Promise<void> {
    const { db, orchestratorId, orgId, meta, now } = this.#parts;
    const org = orgId();
    if (org === undefined) return;
    const source = new SyncOutbox(db, org);
    for (;;) {
      this.#held = this.#parts.outbox.depth >= WAITING_MAX;
      if (this.#held) break;
      const cursor = this.#cursor;
      const rows = await source.behind(cursor, ENTRY_BYTES_MAX);
      if (rows.length === 0) break;
      this.#append(cursor, rows);
    }
    const reached = this.#cursor;
    if (reached === this.#noted) return;
    await source.note(orchestratorId, reached, meta.number('shared_skipped'), now());
    this.#noted = reached;
  }

  /** The log was too full, and has room again: drain. */
  get canGoOn(): boolean {
    return this.#held && this.#parts.outbox.depth < WAITING_MAX / 2;
  }

  /** The orchestrator's database is a new one: it gets all rows again. In the caller's transaction; then drain. */
  restart(): void {
    this.#parts.meta.set('shared_position', 0);
  }

  #append(cursor: number, rows: readonly (SharedRow & { tooLarge: boolean })[]): void {
    const { sql, meta, outbox, onAppended } = this.#parts;
    if (this.#cursor !== cursor) return; // Put back while D1 was read: what was read is not what is wanted now.
    sql.transaction(() => {
      const bodies = rows.flatMap((row) => this.#encoded(row) ?? []);
      for (const chunk of chunksOf(bodies)) outbox.appendAll(chunk);
      const last = rows.at(-1);
      if (last !== undefined) meta.set('shared_position', last.position);
    });
    onAppended();
  }

  /** The entry of a row; one that fits no entry is passed over, since it would hold up all behind it. */
  #encoded({ tooLarge, ...row }: SharedRow & { tooLarge: boolean }): string | undefined {
    try {
      if (!tooLarge) return edgeCodec.encodeEntry({ type: 'row_changed', ...row });
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof ZodError)) throw error;
    }
    const skipped = this.#parts.meta.add('shared_skipped', 1);
    const { table, key } = row;
    console.error(
      `${table} "${key}" does not fit an entry: the VPS keeps its older state (${skipped} so far)`,
    );
    return undefined;
  }

  get #cursor(): number {
    return this.#parts.meta.number('shared_position');
  }
}

function chunksOf(bodies: readonly string[]): string[][] {
  const chunks: string[][] = [];
  let room = 0;
  for (const body of bodies) {
    if (body.length > room) {
      chunks.push([]);
      room = CHUNK_CHARACTERS;
    }
    chunks.at(-1)?.push(body);
    room -= body.length;
  }
  return chunks;
}
