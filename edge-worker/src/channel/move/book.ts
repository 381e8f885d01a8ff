import { int, lookedAt, type Sql, type SqlRow, text } from '@clawdbot/protocol';
import { z } from 'zod';
import type { KeptWorker } from './rpc.ts';

/**
 * `preparing → moving → committing → moved → following → done`. Up to `moving` a move may be undone: `undoing → undone →
 * closed`. In `committing` the new object may own the site already. `moved`: it does. `following`: D1 says so, too, and
 * others may still ask here. `undone`, `closed`: before and after D1 knows it.
 */
const departureState = z.enum([
  'preparing',
  'moving',
  'committing',
  'moved',
  'following',
  'done',
  'undoing',
  'undone',
  'closed',
]);
export type DepartureState = z.infer<typeof departureState>;

export interface Departure {
  readonly moveId: string;
  readonly siteId: string;
  readonly target: string;
  readonly actor: string;
  readonly state: DepartureState;
  readonly beganAt: number;
  /** Since when requests are stored and not sent. */
  readonly heldAt: number | undefined;
  readonly movedAt: number | undefined;
  readonly changedAt: number;
  readonly reason: string | undefined;
  readonly receipts: number;
  /** That were never sent, and have gone along. */
  readonly commands: number;
  /** That the new orchestrator takes over. */
  readonly workers: number;
}

/** `preparing → owns → here`, or `undoing → undone`; `owns` again when a request comes that was late. */
const arrivalState = z.enum(['preparing', 'owns', 'here', 'undoing', 'undone']);

export interface ArrivalRow {
  readonly moveId: string;
  readonly siteId: string;
  readonly source: string;
  readonly actor: string;
  readonly generation: number;
  /** Of its generations, the one that ran where it came from; 0: none. */
  readonly runs: number;
  readonly state: z.infer<typeof arrivalState>;
  readonly commandId: string | undefined;
  /** That its orchestrator is to take over. */
  readonly workers: readonly KeptWorker[];
  readonly beganAt: number;
}

/** Which sites are not simply here: looked at with every request, so in memory. */
interface View {
  /** The orchestrator whose object has the site. */
  readonly elsewhere: ReadonlyMap<string, string>;
  /** Requests are stored, and not sent. */
  readonly held: ReadonlySet<string>;
  /** Nothing else of the site may change. */
  readonly leaving: ReadonlySet<string>;
  /** Is anything under way? */
  readonly isBusy: boolean;
}

const LEAVING: ReadonlySet<DepartureState> = new Set(['preparing', 'moving', 'committing', 'undoing']);

/** The moves of this object's sites, to it and away from it. */
export class MoveBook {
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #gates = new Map<string, Promise<void>>();
  readonly #touched = new Set<string>();
  #view: View;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
    this.#view = this.#look();
  }

  /** The orchestrator whose object has a site that is not here. */
  elsewhere(siteId: string): string | undefined {
    return this.#view.elsewhere.get(siteId);
  }

  isHeld(siteId: string): boolean {
    return this.#view.held.has(siteId);
  }

  isLeaving(siteId: string): boolean {
    return this.#view.leaving.has(siteId);
  }

  get isBusy(): boolean {
    return this.#view.isBusy;
  }

  /** All objects that have what was here. */
  get successors(): ReadonlySet<string> {
    return new Set(this.#view.elsewhere.values());
  }

  /** Requests of the site wait for this: where it is, is being decided. */
  gate(siteId: string): Promise<void> | undefined {
    return this.#gates.get(siteId);
  }

  /** Lets no request of the site in until that is opened. @returns how; safe to repeat */
  shut(siteId: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.set(siteId, promise);
    return () => {
      if (this.#gates.get(siteId) === promise) this.#gates.delete(siteId);
      resolve();
    };
  }

  depart({ moveId, siteId, target, actor }: Pick<Departure, 'moveId' | 'siteId' | 'target' | 'actor'>): void {
    const at = this.#now();
    this.#sql.run(
      `INSERT INTO departures (move_id, site_id, target, actor, state, began_at, changed_at)
       VALUES (?, ?, ?, ?, 'preparing', ?, ?)`,
      ...[moveId, siteId, target, actor, at, at],
    );
    this.#touched.add(moveId);
    this.changed();
  }

  /**
   * From the state that it had, in the caller's transaction, with what goes with it; then `changed` is the caller's to say.
   * Only what is undone keeps its reason. @returns whether it still had that state
   */
  set(move: Pick<Departure, 'moveId' | 'state'>, state: DepartureState, reason?: string): boolean {
    const changed = this.#sql.run(
      `UPDATE departures SET state = ?1, changed_at = ?2,
         reason = COALESCE(?3, CASE WHEN ?1 IN ('undone', 'closed') THEN reason END),
         held_at = CASE WHEN ?1 = 'moving' THEN ?2 ELSE held_at END,
         moved_at = CASE WHEN ?1 = 'moved' THEN ?2 ELSE moved_at END WHERE move_id = ?4 AND state = ?5
       RETURNING move_id`,
      ...[state, this.#now(), reason ?? null, move.moveId, move.state],
    );
    this.#touched.add(move.moveId);
    return changed.length > 0;
  }

  /** What a move waits for, or why it is to be undone. @returns whether that is news */
  say({ moveId, state }: Departure, reason: string): boolean {
    const said = this.#sql.run(
      `UPDATE departures SET reason = ?1 WHERE move_id = ?2 AND state = ?3 AND reason IS NOT ?1 RETURNING move_id`,
      ...[reason, moveId, state],
    );
    if (said.length > 0) this.#touched.add(moveId);
    return said.length > 0;
  }

  count(moveId: string, what: 'receipts' | 'commands' | 'workers', more: number): void {
    this.#sql.run(`UPDATE departures SET ${what} = ${what} + ? WHERE move_id = ?`, more, moveId);
    this.#touched.add(moveId);
  }

  /** Departures that have changed since this was last asked. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  departure(moveId: string): Departure | undefined {
    return this.#sql.run(`SELECT * FROM departures WHERE move_id = ?`, moveId).map(departureOf)[0];
  }

  /** The last one of a site. */
  departureOf(siteId: string): Departure | undefined {
    return this.#sql
      .run(`SELECT * FROM departures WHERE site_id = ? ORDER BY began_at DESC, move_id DESC LIMIT 1`, siteId)
      .map(departureOf)[0];
  }

  /** Those for which something is to be done, now or later. */
  departures(): Departure[] {
    return this.#sql
      .run(`SELECT * FROM departures WHERE state NOT IN ('done', 'closed') ORDER BY began_at`)
      .map(departureOf);
  }

  arrive(row: Omit<ArrivalRow, 'state' | 'commandId' | 'workers' | 'beganAt'>): void {
    this.#sql.run(
      `INSERT INTO arrivals (move_id, site_id, source, actor, generation, runs, state, began_at)
       VALUES (?, ?, ?, ?, ?, ?, 'preparing', ?)`,
      ...[row.moveId, row.siteId, row.source, row.actor, row.generation, row.runs, this.#now()],
    );
  }

  setArrival(moveId: string, state: ArrivalRow['state']): void {
    this.#sql.run(`UPDATE arrivals SET state = ? WHERE move_id = ?`, state, moveId);
  }

  setCommand(moveId: string, commandId: string): void {
    this.#sql.run(`UPDATE arrivals SET command_id = ? WHERE move_id = ?`, commandId, moveId);
  }

  setWorkers(moveId: string, workers: readonly KeptWorker[]): void {
    this.#sql.run(`UPDATE arrivals SET workers = ? WHERE move_id = ?`, JSON.stringify(workers), moveId);
  }

  arrival(moveId: string): ArrivalRow | undefined {
    return this.#sql.run(`SELECT * FROM arrivals WHERE move_id = ?`, moveId).map(arrivalOf)[0];
  }

  arrivals(): ArrivalRow[] {
    return this.#sql
      .run(`SELECT * FROM arrivals WHERE state IN ('preparing', 'owns', 'undoing')`)
      .map(arrivalOf);
  }

  /** Rows were changed, and are committed or will be. */
  changed(): void {
    this.#view = this.#look();
  }

  #look(): View {
    const elsewhere = new Map<string, string>();
    const [held, leaving] = [new Set<string>(), new Set<string>()];
    const left = this.#sql.run(
      `SELECT site_id, target FROM departures WHERE state IN ('moved', 'following', 'done')
         AND site_id NOT IN (SELECT site_id FROM sites) ORDER BY began_at`,
    );
    for (const row of left) elsewhere.set(text(row, 'site_id'), text(row, 'target'));
    const departures = this.departures();
    for (const { siteId, state, heldAt } of departures) {
      if (!LEAVING.has(state)) continue;
      leaving.add(siteId);
      if (heldAt !== undefined) held.add(siteId);
    }
    const arrivals = this.arrivals();
    for (const { siteId, state, source } of arrivals) {
      held.add(siteId);
      if (state !== 'owns') elsewhere.set(siteId, source);
    }
    return { elsewhere, held, leaving, isBusy: departures.length + arrivals.length > 0 };
  }
}

const optional = (row: SqlRow, column: string): number | undefined =>
  row[column] === null ? undefined : int(row, column);

export const departureOf = (row: SqlRow): Departure => ({
  moveId: text(row, 'move_id'),
  siteId: text(row, 'site_id'),
  target: text(row, 'target'),
  actor: text(row, 'actor'),
  state: departureState.parse(row['state']),
  beganAt: int(row, 'began_at'),
  heldAt: optional(row, 'held_at'),
  movedAt: optional(row, 'moved_at'),
  changedAt: int(row, 'changed_at'),
  reason: row['reason'] === null ? undefined : text(row, 'reason'),
  receipts: int(row, 'receipts'),
  commands: int(row, 'commands'),
  workers: int(row, 'workers'),
});

const keptWorker = z.object({ name: z.string(), versionId: z.string(), lookedAt: lookedAt.optional() });

const arrivalOf = (row: SqlRow): ArrivalRow => ({
  moveId: text(row, 'move_id'),
  siteId: text(row, 'site_id'),
  source: text(row, 'source'),
  actor: text(row, 'actor'),
  generation: int(row, 'generation'),
  runs: int(row, 'runs'),
  state: arrivalState.parse(row['state']),
  commandId: row['command_id'] === null ? undefined : text(row, 'command_id'),
  workers: z.array(keptWorker).parse(JSON.parse(text(row, 'workers'))),
  beganAt: int(row, 'began_at'),
});
