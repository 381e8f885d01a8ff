import type { RowChanged } from '@clawdbot/protocol';
import type { EdgeMachine } from '../edge/machine.ts';
import { ORG } from '../orchestrator.ts';
import type { World } from '../world.ts';

const OTHER_ORG = 'other';
const CUSTOMERS = ['one', 'two', 'three', 'four'] as const;
const CRON_MS = 60_000;

/** The existing API: it writes its tables in D1, and nudges the orchestrator's object, or leaves that to the cron. */
export class Rows {
  readonly counts: Record<string, number> = { 'row changes': 0, 'rows that failed': 0 };
  readonly #world: World;
  readonly #edge: EdgeMachine;
  #changes = 0;
  /** Failures still to come, by change. */
  readonly #failures = new Map<string, number>();
  #healed = false;

  constructor(world: World, edge: EdgeMachine) {
    this.#world = world;
    this.#edge = edge;
    this.#run(`INSERT INTO agencies (id, name, created_at) VALUES (?, ?, '')`, ORG, 'ours');
    this.#run(`INSERT INTO agencies (id, name, created_at) VALUES (?, ?, '')`, OTHER_ORG, 'theirs');
    this.#cron();
  }

  start(ms: number, times: number): void {
    const { random } = this.#world;
    for (let left = times; left > 0; left--) {
      this.#world.after(random.int(0, ms), () => this.#change(), undefined);
    }
  }

  /** Some changes fail on the VPS a few times, or until they are dead letters. */
  fails({ table, key, position }: RowChanged): boolean {
    if (this.#healed) return false;
    const { random } = this.#world;
    const change = `${table} ${key} ${position}`;
    const left = this.#failures.get(change) ?? (random.chance(0.8) ? 0 : random.int(1, 6));
    this.#failures.set(change, Math.max(0, left - 1));
    if (left > 0) this.#count('rows that failed');
    return left > 0;
  }

  heal(): void {
    this.#healed = true;
  }

  #change(): void {
    const { random } = this.#world;
    const key = random.pick(CUSTOMERS);
    const org = random.chance(0.85) ? ORG : OTHER_ORG;
    if (random.chance(0.2)) this.#run(`DELETE FROM customers WHERE id = ?`, key);
    else {
      this.#run(
        `INSERT INTO customers (id, agency_id, name, created_at, updated_at) VALUES (?, ?, ?, '', '')
         ON CONFLICT (id) DO UPDATE SET agency_id = excluded.agency_id, name = excluded.name`,
        ...[key, org, `name ${++this.#changes}`],
      );
    }
    this.#count('row changes');
    if (random.chance(0.5)) void this.#edge.ask((object) => object.syncShared(ORG));
  }

  /** As the Worker's cron: it wakes only an object that is behind. */
  #cron(): void {
    this.#world.after(
      CRON_MS,
      () => {
        if (this.#behind()) void this.#edge.ask((object) => object.syncShared(ORG));
        this.#cron();
      },
      undefined,
    );
  }

  #behind(): boolean {
    const { db } = this.#edge.d1;
    const [row] = db.rows(
      `SELECT (SELECT MAX(position) FROM orc_sync_outbox WHERE org_id = ?) AS last,
           (SELECT position FROM orc_sync_positions) AS noted`,
      ORG,
    );
    return Number(row?.['last'] ?? 0) > Number(row?.['noted'] ?? 0);
  }

  #run(text: string, ...params: string[]): void {
    this.#edge.d1.db.prepare(text).run(...params);
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}
