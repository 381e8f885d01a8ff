import type { OrchestratorMachine } from '../orchestrator.ts';
import type { World } from '../world.ts';
import { SITES } from './operators.ts';

/** Things that happen on the VPS: events, a few at a time, and now and then an entry that the edge cannot read. */
export class Maker {
  readonly counts: Record<string, number> = { events: 0, 'unreadable entries': 0 };
  /** Bodies of entries that were committed, and that nobody can read. */
  readonly unreadable: string[] = [];
  readonly #world: World;
  readonly #orchestrator: OrchestratorMachine;
  #made = 0;

  constructor(world: World, orchestrator: OrchestratorMachine) {
    this.#world = world;
    this.#orchestrator = orchestrator;
  }

  start(ms: number, times: number): void {
    const { random } = this.#world;
    for (let left = times; left > 0; left--) {
      this.#world.after(random.int(0, ms), () => this.#act(), undefined);
    }
  }

  #act(): void {
    const { newest } = this.#orchestrator;
    if (newest === undefined) return;
    const { random } = this.#world;
    const spoil = random.chance(0.1);
    this.#world.after(0, () => (spoil ? this.#spoil() : this.#happen(random.int(1, 3))), newest.process);
  }

  #happen(count: number): void {
    const { newest } = this.#orchestrator;
    if (newest === undefined) return;
    const { sql, events } = newest.ground;
    const siteId = this.#world.random.pick(SITES);
    sql.transaction(() =>
      events.recordAll(
        Array.from({ length: count }, () => ({
          type: 'health_check' as const,
          siteId,
          data: { n: ++this.#made },
        })),
      ),
    );
    this.#count('events', count);
    newest.core.wake();
  }

  #spoil(): void {
    const { newest } = this.#orchestrator;
    if (newest === undefined) return;
    const { sql, outboxes } = newest.ground;
    const body = JSON.stringify({ type: 'nonsense', n: ++this.#made });
    sql.transaction(() => outboxes.control.append(body));
    this.unreadable.push(body);
    this.#count('unreadable entries');
    newest.core.wake();
  }

  #count(kind: string, more = 1): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + more;
  }
}
