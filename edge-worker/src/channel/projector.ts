import { queried } from '../data/query.ts';

/** Rows for one statement of D1, as the text of a JSON array. */
export interface Group {
  readonly rows: string;
  /** D1 has them. */
  done(): void;
}

/** Facts of this object that D1 shows, too. */
export interface Projection {
  /** Takes the organisation (?1), the orchestrator (?2) and the rows (?3); a repetition of it changes nothing. */
  readonly statement: string;
  /** The oldest facts that D1 does not have, 500 at most; one `json_each` of so many is the fastest (measured). */
  next(): Group | undefined;
}

export interface ProjectorOptions {
  readonly projections: readonly Projection[];
  readonly orchestratorId: string;
  readonly orgId: () => string | undefined;
  readonly db: D1Database;
  /** A group is in D1, or nothing was left to write: how far D1 is may have changed. */
  readonly onWritten: () => void;
}

/** Cloudflare ends a statement after 30 s; this much for 500 rows means that D1 is in trouble. */
const WRITE_DEADLINE_MS = 15_000;

/**
 * What comes within this is gathered, since a statement costs more than its rows; and whoever waits for an answer of
 * this object has it by then. A backlog waits for nothing.
 */
const GATHER_MS = 25;
const GATHER_BYTES = 32 * 1024;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Writes facts behind to D1, for lists and search. D1 slow or gone delays the lists and nothing else. */
export class Projector {
  readonly #options: ProjectorOptions;

  constructor(options: ProjectorOptions) {
    this.#options = options;
  }

  /**
   * Brings D1 up to date, by turns, so that a backlog of one keeps no other back; nor does one that fails, which is
   * left out from there on. Rejects at the end when any has failed.
   */
  async drain(): Promise<void> {
    const { projections, onWritten } = this.#options;
    const failures = new Map<Projection, unknown>();
    await pause(GATHER_MS);
    for (let wrote = 1; wrote > 0; ) {
      wrote = 0;
      for (const projection of projections) {
        if (failures.has(projection)) continue;
        try {
          wrote = Math.max(wrote, await this.#write(projection));
        } catch (error) {
          failures.set(projection, error);
        }
      }
      onWritten();
      // With D1 in the same process (as in the sandbox) nothing here ever waits for the outside: without a timer's
      // turn, workerd would hear no socket until a whole backlog is written (measured: seconds).
      await pause(wrote < GATHER_BYTES ? GATHER_MS : 0);
    }
    if (failures.size > 0) {
      const errors = [...failures.values()];
      throw new AggregateError(errors, 'not all of D1 was brought up to date', { cause: errors[0] });
    }
  }

  /** @returns how much there was to write; 0: nothing */
  async #write(projection: Projection): Promise<number> {
    const { db, orchestratorId, orgId } = this.#options;
    const org = orgId();
    const group = org === undefined ? undefined : projection.next();
    if (org === undefined || group === undefined) return 0;
    const written = db.prepare(projection.statement).bind(org, orchestratorId, group.rows).run();
    await queried(written, WRITE_DEADLINE_MS);
    group.done();
    return group.rows.length;
  }
}
